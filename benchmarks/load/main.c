/* The options. */
#define _GNU_SOURCE
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct options options = {
    .mode = "echo", .path = "/", .hello = "", .ready = "", .subscribe = "", .subscribed = "",
    .answer = "", .big = "", .hold_subscribe = "",
    .connections = 100, .in_flight = 1, .size = 57, .big_size = 1000000,
    .channels = 1, .hold_channels = 1, .at_once = 64, .rounds = 10,
    .seconds = 1, .warm = 0.3,
};

static const char *help =
    "load --mode MODE --port P[,P...] [options]; prints one line of JSON\n"
    "modes\n"
    "  echo     each connection keeps --in-flight messages under way, one answer for each\n"
    "  fanout   every connection gets every message; --in-flight in all, or --rate a second\n"
    "  listen   as fanout, but others publish; prints \"ready\" to stderr once all listen,\n"
    "           and stays until its standard input ends\n"
    "  idle     open, hold for --seconds\n"
    "  connect  each connection connects, and leaves, over and over\n"
    "  churn    --rounds times: open all, close all; the server's memory after each\n"
    "  serve    not a client: the trivial server that shows what this generator can do\n"
    "the server\n"
    "  --path PATH  --hello TEXT (sent first)  --ready PREFIX (of what comes then)\n"
    "  --subscribe TEXT (%i: number of the connection, %j: of the channel)  --channels N\n"
    "  --subscribed PREFIX (of its answer)  --pids P,P (whose CPU time and memory count)\n"
    "messages\n"
    "  --message TEXT (%p: time stamp and padding, so that it has --size bytes in all;\n"
    "  several are sent in turn)  --answer PREFIX (of what counts)\n"
    "connections\n"
    "  --connections N  --at-once N (are opened at a time)\n"
    "  --hold N  --hold-subscribe TEXT  --hold-channels N (more, which are only there)\n"
    "  --big-count N --big-size N --big TEXT (echo: the first N send this instead, not counted)\n"
    "time\n"
    "  --seconds S  --warm S\n";

uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(2);
}

static int read_list(int *list, int size, char *text)
{
    int count = 0;
    for (char *part = strtok(text, ","); part; part = strtok(NULL, ",")) {
        if (count == size)
            fail("more than %d numbers", size);
        list[count++] = atoi(part);
    }
    return count;
}

static bool read_text(const char *name, char *value)
{
    const struct { const char *name, **value; } texts[] = {
        {"mode", &options.mode}, {"path", &options.path}, {"hello", &options.hello},
        {"ready", &options.ready}, {"subscribe", &options.subscribe},
        {"subscribed", &options.subscribed}, {"answer", &options.answer}, {"big", &options.big},
        {"hold-subscribe", &options.hold_subscribe},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(name, texts[i].name)) {
            *texts[i].value = value;
            return true;
        }
    return false;
}

static bool read_count(const char *name, const char *value)
{
    const struct { const char *name; int *value; } counts[] = {
        {"connections", &options.connections}, {"in-flight", &options.in_flight},
        {"size", &options.size}, {"big-size", &options.big_size},
        {"big-count", &options.big_count}, {"channels", &options.channels},
        {"hold", &options.hold}, {"hold-channels", &options.hold_channels},
        {"at-once", &options.at_once}, {"rounds", &options.rounds},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (!strcmp(name, counts[i].name)) {
            *counts[i].value = atoi(value);
            return true;
        }
    return false;
}

static bool read_seconds(const char *name, const char *value)
{
    double *seconds = !strcmp(name, "seconds") ? &options.seconds
                    : !strcmp(name, "warm")    ? &options.warm
                    : !strcmp(name, "rate")    ? &options.rate
                                               : NULL;
    if (seconds)
        *seconds = atof(value);
    return seconds != NULL;
}

static bool read_lists(const char *name, char *value)
{
    if (!strcmp(name, "port"))
        options.port_count = read_list(options.ports, MAX_PORTS, value);
    else if (!strcmp(name, "pids"))
        options.pid_count = read_list(options.pids, MAX_PIDS, value);
    else if (!strcmp(name, "message") && options.message_count < MAX_MESSAGES)
        options.messages[options.message_count++] = value;
    else
        return false;
    return true;
}

static void read_options(int count, char **arguments)
{
    for (int i = 1; i < count; i += 2) {
        const char *name = arguments[i];
        if (!strcmp(name, "--help") || strncmp(name, "--", 2) || i + 1 == count) {
            fputs(help, stderr);
            exit(2);
        }
        char *value = arguments[i + 1];
        name += 2;
        if (!read_text(name, value) && !read_count(name, value) && !read_seconds(name, value)
            && !read_lists(name, value))
            fail("there is no option --%s", name);
    }
    if (options.port_count == 0)
        fail("--port is missing");
    if (options.in_flight > MAX_IN_FLIGHT)
        fail("--in-flight is %d at most", MAX_IN_FLIGHT);
}

static void allow_files(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int wanted = options.connections + options.hold + 50;
    if (limit.rlim_cur < (rlim_t)wanted)
        fail("%d open files are needed, %ld are allowed", wanted, (long)limit.rlim_cur);
}

int main(int count, char **arguments)
{
    read_options(count, arguments);
    allow_files();
    if (!strcmp(options.mode, "serve"))
        serve();
    else
        run();
    return 0;
}

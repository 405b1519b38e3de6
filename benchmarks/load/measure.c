/* Latencies, CPU time, memory; and how they are printed. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A histogram with 64 steps for each power of two: exact to 1.6 %. */
enum { STEPS = 64, POWERS = 40 };

static uint64_t histogram[POWERS * STEPS], recorded, worst;
static double server_cpu, load_cpu;
static uint64_t begun, answers_before;

bool measuring;

void record(uint64_t nanoseconds)
{
    uint64_t value = nanoseconds;
    int power = 0;
    for (; value >= 2 * STEPS; value >>= 1)
        power++;
    size_t index = power * STEPS + value;
    histogram[index < POWERS * STEPS ? index : POWERS * STEPS - 1]++;
    recorded++;
    worst = nanoseconds > worst ? nanoseconds : worst;
}

void clear_latencies(void)
{
    memset(histogram, 0, sizeof histogram);
    recorded = worst = 0;
}

static uint64_t value_at(size_t index)
{
    size_t power = index < 2 * STEPS ? 0 : index / STEPS - 1;
    return (uint64_t)(index - power * STEPS) << power;
}

static double percentile(double share)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < POWERS * STEPS; i++) {
        seen += histogram[i];
        if (recorded && seen >= share * recorded)
            return value_at(i) / 1000.0;
    }
    return 0;
}

static double cpu_of(int pid)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    char *fields = strrchr(text, ')');
    if (fields)
        sscanf(fields + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
    return (double)(user + kernel) / sysconf(_SC_CLK_TCK);
}

static long memory_of(int pid)
{
    char path[64], line[256];
    long memory = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "VmRSS: %ld", &memory) != 1)
        continue;
    fclose(file);
    return memory;
}

long memory_of_server(void)
{
    long sum = 0;
    for (int i = 0; i < options.pid_count; i++)
        sum += memory_of(options.pids[i]);
    return sum;
}

double cpu_of_server(void)
{
    double sum = 0;
    for (int i = 0; i < options.pid_count; i++)
        sum += cpu_of(options.pids[i]);
    return sum;
}

double cpu_of_load(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
         + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void begin(void)
{
    clear_latencies();
    server_cpu = cpu_of_server();
    load_cpu = cpu_of_load();
    answers_before = totals.answers;
    begun = now();
    measuring = true;
}

void print_number(const char *name, double value)
{
    static bool continued;
    printf("%s\"%s\": %.10g", continued ? ", " : "{", name, value);
    continued = true;
}

void end(void)
{
    double seconds = (now() - begun) / 1e9, cpu = cpu_of_server() - server_cpu;
    double load = cpu_of_load() - load_cpu;
    uint64_t count = totals.answers - answers_before;
    measuring = false;
    print_number("count", count);
    print_number("seconds", seconds);
    print_number("rate", count / seconds);
    print_number("cpu_us", count ? cpu * 1e6 / count : 0);
    print_number("cpu_share", cpu / seconds);
    print_number("load_share", load / seconds);
    print_number("p50_us", percentile(0.5));
    print_number("p99_us", percentile(0.99));
    print_number("max_us", worst / 1000.0);
}

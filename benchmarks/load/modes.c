/* What is measured. */
#define _GNU_SOURCE
#include "load.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MILLISECOND = 1000000, FEW = 2, PATIENCE = 30 };
static const uint64_t SECOND = 1000000000, STALLED = 30000000000;

static bool answers_go_on; /* echo: each answer is followed by the next message */
static bool stamped;       /* latencies come from the message itself */
static bool leaving;       /* connect: who is live leaves */
static uint64_t published, last_answer;

static void echo_answered(struct connection *connection)
{
    uint64_t time = now();
    bool counts = connection->id >= options.big_count;
    if (measuring && counts)
        record(time - connection->sent[connection->first % MAX_IN_FLIGHT]);
    connection->first++;
    totals.answers += counts;
    connection->sent[connection->last++ % MAX_IN_FLIGHT] = time;
    send_message(connection, time);
}

void on_answer(struct connection *connection, const char *data, size_t length)
{
    if (answers_go_on && !connection->held) {
        echo_answered(connection);
    } else if (stamped && !connection->held) {
        totals.answers++;
        last_answer = now();
        if (measuring)
            record(last_answer - stamp_of(data, length));
    }
}

void on_live(struct connection *connection)
{
    if (!leaving || connection->held)
        return;
    totals.answers++;
    if (measuring)
        record(now() - connection->sent[0]);
    live--;
    connection->state = LEAVING;
    send_close(connection);
}

static void connect_anew(int id)
{
    uint64_t time = now();
    open_connection(id);
    connections[id].sent[0] = time;
}

void on_closed(struct connection *connection)
{
    if (leaving && !connection->held)
        connect_anew(connection->id);
}

static void pump(double seconds)
{
    for (uint64_t stop = now() + seconds * SECOND; now() < stop;)
        poll_once(10 * MILLISECOND);
}

static void measure_echo(void)
{
    answers_go_on = true;
    for (int k = 0; k < options.in_flight; k++)
        for (int i = 0; i < options.connections; i++) {
            struct connection *connection = &connections[i];
            connection->sent[connection->last++ % MAX_IN_FLIGHT] = now();
            send_message(connection, now());
        }
    pump(options.warm);
    begin();
    pump(options.seconds);
    end();
}

static void publish(uint64_t stamp)
{
    send_message(&connections[published++ % options.connections], stamp);
}

static uint64_t outstanding(void)
{
    uint64_t expected = published * options.connections;
    uint64_t arrived = totals.answers + totals.lost;
    return expected > arrived ? expected - arrived : 0;
}

/* What does not arrive for half a minute will not arrive any more. */
static void give_up_stalled(void)
{
    if (outstanding() && now() - last_answer > STALLED) {
        totals.lost += outstanding();
        last_answer = now();
    }
}

/* Slow servers are given time for a few messages. */
static bool enough(uint64_t begun, uint64_t before, double seconds)
{
    uint64_t passed = now() - begun, few = (uint64_t)FEW * options.connections;
    return passed >= seconds * SECOND
        && (totals.answers - before >= few || passed >= PATIENCE * SECOND);
}

static void keep_in_flight(double seconds)
{
    uint64_t allowed = (uint64_t)(options.in_flight - 1) * options.connections;
    uint64_t begun = now(), before = totals.answers;
    for (; !enough(begun, before, seconds); give_up_stalled()) {
        while (outstanding() <= allowed)
            publish(now());
        poll_once(10 * MILLISECOND);
    }
}

/* The time stamp is when a message was due, so that waiting in the generator counts too. */
static void keep_pace(double seconds)
{
    uint64_t interval = SECOND / options.rate, due = now();
    for (uint64_t stop = due + seconds * SECOND; due < stop;) {
        uint64_t time = now();
        if (time >= due) {
            publish(due);
            due += interval;
        } else {
            poll_once(due - time);
        }
    }
}

static void measure_fanout(void)
{
    void (*keep)(double) = options.rate > 0 ? keep_pace : keep_in_flight;
    stamped = true;
    last_answer = now();
    keep(options.warm);
    begin();
    keep(options.seconds);
    end();
    print_number("outstanding", outstanding());
}

/* Whoever publishes must find subscribers until the end, which is that of the standard input. */
static void stay(void)
{
    char nothing;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    while (read(STDIN_FILENO, &nothing, 1) != 0)
        poll_once(10 * MILLISECOND);
}

static void measure_listening(void)
{
    stamped = true;
    fputs("ready\n", stderr);
    while (totals.answers == 0)
        poll_once(10 * MILLISECOND);
    pump(options.warm);
    begin();
    pump(options.seconds);
    end();
    stay();
}

static void measure_connecting(void)
{
    open_all(options.connections, total); /* the held ones */
    leaving = true;
    for (int id = 0; id < options.connections; id++)
        connect_anew(id);
    pump(options.warm);
    begin();
    pump(options.seconds);
    end();
    leaving = false;
}

static void measure_churn(void)
{
    char name[32];
    for (int round = 1; round <= options.rounds; round++) {
        open_all(0, total);
        for (int i = 0; i < total; i++)
            close_connection(&connections[i]);
        pump(options.seconds);
        snprintf(name, sizeof name, "memory_kb_%d", round);
        print_number(name, memory_of_server());
    }
}

static void print_opening(void)
{
    long all = memory_of_server();
    print_number("connections", total);
    print_number("opened_per_second", total * 1e9 / totals.opened_in_ns);
    print_number("memory_kb", all);
    if (total > totals.first && totals.first)
        print_number("memory_kb_each",
                     (double)(all - totals.memory_first) / (total - totals.first));
}

static void measure(void)
{
    const char *mode = options.mode;
    open_all(0, total);
    pump(0.2);
    if (!strcmp(mode, "idle"))
        pump(options.seconds);
    print_opening();
    if (!strcmp(mode, "echo"))
        measure_echo();
    else if (!strcmp(mode, "fanout"))
        measure_fanout();
    else if (!strcmp(mode, "listen"))
        measure_listening();
    else if (strcmp(mode, "idle"))
        fail("there is no mode %s", mode);
}

void run(void)
{
    start();
    prepare_messages();
    if (!strcmp(options.mode, "connect"))
        measure_connecting();
    else if (!strcmp(options.mode, "churn"))
        measure_churn();
    else
        measure();
    print_number("lost", totals.lost);
    print_number("errors", totals.errors);
    puts("}");
}

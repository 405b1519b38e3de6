/* A WebSocket load generator: one process, one core, epoll. `load --help` lists its options. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_PORTS = 16, MAX_PIDS = 64, MAX_MESSAGES = 4, MAX_IN_FLIGHT = 64 };
enum state { UPGRADING, GREETING, SUBSCRIBING, LIVE, LEAVING, CLOSED };

struct bytes {
    char *data;
    size_t length, size;
};

struct connection {
    int fd, id;
    enum state state;
    bool held;           /* one of --hold: it is there, and receives, but is not measured */
    bool waits_to_write; /* epoll watches for it */
    int answers_missing; /* of its subscriptions */
    unsigned first, last, turn; /* of `sent`, and of the messages in turn */
    uint64_t sent[MAX_IN_FLIGHT];
    struct bytes in, out; /* only what is incomplete; empty connections hold no memory */
};

struct options {
    const char *mode, *path, *hello, *ready, *subscribe, *subscribed, *answer, *big;
    const char *hold_subscribe, *messages[MAX_MESSAGES];
    int ports[MAX_PORTS], port_count, pids[MAX_PIDS], pid_count, message_count;
    int connections, in_flight, size, big_size, big_count, channels, hold, hold_channels;
    int at_once, rounds;
    double seconds, warm, rate;
};

struct totals {
    uint64_t answers, lost, errors, connected, opened_in_ns;
    long memory_first, memory_all; /* KB, with the first hundred connections, and with all */
    int first;
};

extern struct options options;
extern struct connection *connections;
extern int total, live, opened;
extern struct totals totals;
extern bool measuring;

/* main.c */
uint64_t now(void);
void fail(const char *format, ...);

/* frames.c */
void append(struct bytes *bytes, const void *data, size_t length);
size_t write_head(unsigned char *head, int opcode, size_t length, int mask_bit);
size_t read_head(const unsigned char *data, size_t length, size_t *payload);
size_t make_frame(char *frame, int opcode, const char *payload, size_t length);
size_t read_frames(struct connection *connection, const char *data, size_t length);
void send_text(struct connection *connection, const char *text, size_t length);
void send_close(struct connection *connection);

/* connections.c */
void start(void);
void open_connection(int id);
void open_all(int from, int to);
void close_connection(struct connection *connection);
void put(struct connection *connection, const char *data, size_t length);
void poll_once(int64_t nanoseconds);
void on_frame(struct connection *connection, int opcode, const char *data, size_t length);

/* messages.c */
void prepare_messages(void);
void send_message(struct connection *connection, uint64_t stamp);
void send_subscriptions(struct connection *connection);
uint64_t stamp_of(const char *data, size_t length);

/* modes.c */
void run(void);
void on_answer(struct connection *connection, const char *data, size_t length);
void on_live(struct connection *connection);
void on_closed(struct connection *connection);

/* measure.c */
void record(uint64_t nanoseconds);
void clear_latencies(void);
long memory_of_server(void);
double cpu_of_server(void);
double cpu_of_load(void);
void begin(void);
void end(void);
void print_number(const char *name, double value);

/* ceiling.c */
void serve(void);

#endif

/* Connections: opening them, reading, writing, and what each waits for until it is live. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, CHUNK = 1 << 18, SOURCES = 32, FIRST = 100, OPENING_TIMEOUT = 60 };

struct connection *connections;
int total, live, opened;
struct totals totals;

static int epoll;
static bool opening;
static int open_until;

void start(void)
{
    total = options.connections + options.hold;
    connections = calloc(total, sizeof *connections);
    epoll = epoll_create1(0);
}

static void watch(struct connection *connection, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(epoll, operation, connection->fd, &event);
}

/* Many source addresses: one of them has ports for 28,000 connections only. */
static void bind_source(int fd, int id)
{
    int late = 1; /* the port is chosen by connect, per destination */
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f000101 + id % SOURCES);
    setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &late, sizeof late);
    if (bind(fd, (struct sockaddr *)&source, sizeof source))
        fail("bind: %s", strerror(errno));
}

static int connect_to(int port, int id)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    bind_source(fd, id);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        fail("connection %d: %s", id, strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

void open_connection(int id)
{
    struct connection *connection = &connections[id];
    int port = options.ports[id % options.port_count];
    memset(connection, 0, sizeof *connection);
    connection->id = id;
    connection->held = id >= options.connections;
    connection->fd = connect_to(port, id);
    watch(connection, EPOLL_CTL_ADD, EPOLLIN);
    char request[1024];
    int length = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        "Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n"
        "Pragma: no-cache\r\nCache-Control: no-cache\r\n\r\n", options.path, port);
    put(connection, request, length);
}

static void open_next(void)
{
    if (opening && opened < open_until)
        open_connection(opened++);
}

/* Open some, --at-once of them at a time, and wait until all are live. */
void open_all(int from, int to)
{
    uint64_t begun = now();
    int wanted = live + to - from;
    opening = true;
    opened = from;
    open_until = to;
    for (int i = 0; i < options.at_once; i++)
        open_next();
    while (live < wanted) {
        poll_once(1000000000);
        if (now() - begun > OPENING_TIMEOUT * 1000000000ull)
            fail("only %d of %d connections are live after %d s", live, wanted, OPENING_TIMEOUT);
    }
    opening = false;
    totals.opened_in_ns = now() - begun;
}

void close_connection(struct connection *connection)
{
    if (connection->state == CLOSED)
        return;
    if (connection->state == LIVE)
        live--;
    connection->state = CLOSED;
    close(connection->fd);
    free(connection->in.data);
    free(connection->out.data);
    memset(&connection->in, 0, sizeof connection->in);
    memset(&connection->out, 0, sizeof connection->out);
}

/* Write, and keep what the kernel does not take. */
void put(struct connection *connection, const char *data, size_t length)
{
    ssize_t sent = 0;
    if (connection->out.length == 0) {
        sent = send(connection->fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return; /* reading will find the end of it */
        sent = sent < 0 ? 0 : sent;
    }
    if ((size_t)sent == length)
        return;
    append(&connection->out, data + sent, length - sent);
    if (!connection->waits_to_write) {
        connection->waits_to_write = true;
        watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
}

static void flush(struct connection *connection)
{
    struct bytes *out = &connection->out;
    ssize_t sent = send(connection->fd, out->data, out->length, MSG_NOSIGNAL);
    if (sent <= 0)
        return;
    out->length -= sent;
    memmove(out->data, out->data + sent, out->length);
    if (out->length == 0) {
        connection->waits_to_write = false;
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void go_live(struct connection *connection)
{
    connection->state = LIVE;
    live++;
    if (live == FIRST && totals.memory_first == 0) {
        totals.first = live;
        totals.memory_first = memory_of_server();
    }
    open_next();
    on_live(connection);
}

static void advance(struct connection *connection)
{
    const char *subscribe = connection->held ? options.hold_subscribe : options.subscribe;
    if (connection->state == UPGRADING) {
        connection->state = GREETING;
        if (*options.hello)
            send_text(connection, options.hello, strlen(options.hello));
        if (*options.ready)
            return;
    }
    if (connection->state == GREETING && *subscribe) {
        connection->state = SUBSCRIBING;
        send_subscriptions(connection);
        return;
    }
    go_live(connection);
}

static bool starts(const char *data, size_t length, const char *prefix)
{
    size_t wanted = strlen(prefix);
    return length >= wanted && !memcmp(data, prefix, wanted);
}

void on_frame(struct connection *connection, int opcode, const char *data, size_t length)
{
    if (opcode > 2)
        return; /* the end of the connection follows a close frame */
    if (length == 1 && *data == '2') /* Engine.IO's PING */
        send_text(connection, "3", 1);
    else if (connection->state == LIVE && starts(data, length, options.answer))
        on_answer(connection, data, length);
    else if (connection->state == GREETING && starts(data, length, options.ready))
        advance(connection);
    else if (connection->state == SUBSCRIBING && starts(data, length, options.subscribed)
             && --connection->answers_missing == 0)
        advance(connection);
    else if (starts(data, length, "44"))
        fail("refused: %.*s", (int)length, data);
}

static size_t read_upgrade(struct connection *connection, const char *data, size_t length)
{
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (!starts(data, length, "HTTP/1.1 101"))
        fail("no upgrade: %.*s", length > 300 ? 300 : (int)length, data);
    advance(connection);
    return end + 4 - data;
}

static size_t take(struct connection *connection, const char *data, size_t length)
{
    size_t done = 0;
    if (connection->state == UPGRADING)
        done = read_upgrade(connection, data, length);
    if (connection->state != UPGRADING)
        done += read_frames(connection, data + done, length - done);
    return done;
}

/* Whole frames are read where they arrived; only what is incomplete is kept. */
static void got(struct connection *connection, const char *data, size_t length)
{
    struct bytes *in = &connection->in;
    if (in->length) {
        append(in, data, length);
        data = in->data;
        length = in->length;
    }
    size_t done = take(connection, data, length);
    if (connection->state == CLOSED)
        return;
    if (!in->length) {
        if (done < length)
            append(in, data + done, length - done);
        return;
    }
    in->length -= done;
    memmove(in->data, in->data + done, in->length);
}

static void ended(struct connection *connection)
{
    enum state state = connection->state;
    if (opening)
        fail("connection %d ended while it was opened", connection->id);
    close_connection(connection);
    if (state != LEAVING)
        totals.errors++;
    on_closed(connection);
}

static void receive(struct connection *connection)
{
    static char chunk[CHUNK];
    ssize_t length = read(connection->fd, chunk, CHUNK);
    if (length > 0)
        got(connection, chunk, length);
    else if (length == 0 || errno != EAGAIN)
        ended(connection);
}

void poll_once(int64_t nanoseconds)
{
    struct epoll_event events[EVENTS];
    struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int count = epoll_pwait2(epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flush(connection);
        if (events[i].events & ~EPOLLOUT && connection->state != CLOSED)
            receive(connection);
    }
}

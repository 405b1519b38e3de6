/* The server that shows what the generator can do: it parses and copies frames, and nothing else.
 * What a turn of its loop has for a connection leaves in one send. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536, BATCH = 512, READ_SIZE = 1 << 18 };

struct peer {
    bool upgraded, in_room, dirty, waits;
    struct bytes in, out;
};

static struct peer peers[MAX_FD];
static int room[MAX_FD], room_size, dirty[MAX_FD], dirty_count, epoll;

static const char *UPGRADE =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"; /* of the generator's key */

static void queue(int fd, const void *data, size_t length)
{
    append(&peers[fd].out, data, length);
    if (!peers[fd].dirty) {
        peers[fd].dirty = true;
        dirty[dirty_count++] = fd;
    }
}

static void answer(int fd, const char *text, size_t length)
{
    unsigned char head[10];
    queue(fd, head, write_head(head, 1, length, 0));
    queue(fd, text, length);
}

static void send_to_room(const char *text, size_t length)
{
    for (int i = 0; i < room_size; i++)
        answer(room[i], text, length);
}

static void handle(int fd, const char *text, size_t length)
{
    if (length >= 2 && !memcmp(text, "40", 2)) {
        answer(fd, "40{\"sid\":\"x\"}", 13);
    } else if (length > 17 && !memcmp(text, "420[\"subscribe\"", 15)) {
        peers[fd].in_room = text[17] == 'r';
        if (peers[fd].in_room)
            room[room_size++] = fd;
        answer(fd, "430[true]", 9);
    } else if (peers[fd].in_room) {
        send_to_room(text, length);
    } else {
        answer(fd, text, length);
    }
}

static void leave(int fd)
{
    for (int i = 0; i < room_size; i++)
        if (room[i] == fd)
            room[i--] = room[--room_size];
    free(peers[fd].in.data);
    free(peers[fd].out.data);
    bool was_dirty = peers[fd].dirty;
    memset(&peers[fd], 0, sizeof peers[fd]);
    peers[fd].dirty = was_dirty;
    close(fd);
}

/* Return the bytes that the complete frames take; -1 after a close frame. */
static ssize_t handle_frames(int fd, char *data, size_t length)
{
    size_t done = 0, payload, head;
    while ((head = read_head((unsigned char *)data + done, length - done, &payload))
           && length - done >= head + 4 + payload) {
        char *key = data + done + head, *text = key + 4;
        if ((data[done] & 15) == 8)
            return -1;
        for (size_t i = 0; i < payload; i++)
            text[i] ^= key[i & 3];
        handle(fd, text, payload);
        done += head + 4 + payload;
    }
    return done;
}

static void got(int fd, const char *data, size_t length)
{
    struct bytes *in = &peers[fd].in;
    append(in, data, length);
    if (!peers[fd].upgraded) {
        if (!memmem(in->data, in->length, "\r\n\r\n", 4))
            return;
        peers[fd].upgraded = true;
        in->length = 0; /* the generator waits for the answer */
        queue(fd, UPGRADE, strlen(UPGRADE));
        return;
    }
    ssize_t done = handle_frames(fd, in->data, in->length);
    if (done < 0) {
        leave(fd);
        return;
    }
    in->length -= done;
    memmove(in->data, in->data + done, in->length);
}

static void watch(int fd, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(epoll, operation, fd, &event);
}

static void flush(int fd)
{
    struct bytes *out = &peers[fd].out;
    ssize_t sent = out->length ? send(fd, out->data, out->length, MSG_NOSIGNAL) : 0;
    if (sent > 0) {
        out->length -= sent;
        memmove(out->data, out->data + sent, out->length);
    }
    bool waits = out->length > 0;
    if (waits != peers[fd].waits)
        watch(fd, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
    peers[fd].waits = waits;
}

static void flush_all(void)
{
    for (int i = 0; i < dirty_count; i++) {
        peers[dirty[i]].dirty = false;
        flush(dirty[i]);
    }
    dirty_count = 0;
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024))
        fail("port %d cannot be listened on", port);
    return fd;
}

static void accept_all(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void receive(int fd)
{
    static char chunk[READ_SIZE];
    ssize_t length = read(fd, chunk, sizeof chunk);
    if (length > 0)
        got(fd, chunk, length);
    else if (length == 0)
        leave(fd);
}

void serve(void)
{
    struct epoll_event events[BATCH];
    int listener = listen_on(options.ports[0]);
    epoll = epoll_create1(0);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else if (events[i].events & EPOLLIN)
                receive(events[i].data.fd);
            else
                queue(events[i].data.fd, "", 0);
        }
        flush_all();
    }
}

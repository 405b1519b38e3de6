/* WebSocket frames (RFC 6455, section 5.2), as a client sends and reads them. */
#define _GNU_SOURCE
#include "load.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char MASK[8] = {0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78};

void append(struct bytes *bytes, const void *data, size_t length)
{
    if (bytes->length + length > bytes->size) {
        bytes->size = (bytes->length + length) * 2;
        bytes->data = realloc(bytes->data, bytes->size);
        if (!bytes->data)
            fail("out of memory");
    }
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

/* Write the head of a frame, up to 10 bytes; return its length. */
size_t write_head(unsigned char *head, int opcode, size_t length, int mask_bit)
{
    head[0] = 0x80 | opcode;
    if (length < 126) {
        head[1] = mask_bit | length;
        return 2;
    }
    if (length < 65536) {
        head[1] = mask_bit | 126;
        head[2] = length >> 8;
        head[3] = length & 255;
        return 4;
    }
    head[1] = mask_bit | 127;
    for (int i = 0; i < 8; i++)
        head[2 + i] = (uint64_t)length >> (56 - 8 * i) & 255;
    return 10;
}

static void mask(char *to, const char *from, size_t length)
{
    uint64_t key, word;
    size_t i = 0;
    memcpy(&key, MASK, 8);
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= key;
        memcpy(to + i, &word, 8);
    }
    for (; i < length; i++)
        to[i] = from[i] ^ MASK[i & 3];
}

/* Write a masked frame, whose head takes up to 14 bytes; return its length. */
size_t make_frame(char *frame, int opcode, const char *payload, size_t length)
{
    size_t head = write_head((unsigned char *)frame, opcode, length, 0x80);
    memcpy(frame + head, MASK, 4);
    mask(frame + head + 4, payload, length);
    return head + 4 + length;
}

static void send_frame(struct connection *connection, int opcode, const char *data, size_t length)
{
    static struct bytes frame;
    if (frame.size < length + 14) {
        frame.size = length + 14;
        frame.data = realloc(frame.data, frame.size);
    }
    put(connection, frame.data, make_frame(frame.data, opcode, data, length));
}

void send_text(struct connection *connection, const char *text, size_t length)
{
    send_frame(connection, 1, text, length);
}

void send_close(struct connection *connection)
{
    send_frame(connection, 8, "\x03\xe8", 2);
}

/* Return the length of a frame's head, or 0 if it is not all there; and of its payload. */
size_t read_head(const unsigned char *data, size_t length, size_t *payload)
{
    if (length < 2)
        return 0;
    size_t short_length = data[1] & 127, head = 2;
    *payload = short_length;
    if (short_length >= 126) {
        int bytes = short_length == 126 ? 2 : 8;
        head += bytes;
        if (length < head)
            return 0;
        *payload = 0;
        for (int i = 0; i < bytes; i++)
            *payload = *payload << 8 | data[2 + i];
    }
    return head;
}

/* Read the complete frames; return how many bytes they take. */
size_t read_frames(struct connection *connection, const char *data, size_t length)
{
    size_t done = 0, payload;
    while (connection->state != CLOSED) {
        size_t head = read_head((const unsigned char *)data + done, length - done, &payload);
        if (head == 0 || length - done < head + payload)
            break;
        int opcode = data[done] & 15;
        if (opcode == 9)
            send_frame(connection, 10, data + done + head, payload);
        else
            on_frame(connection, opcode, data + done + head, payload);
        done += head + payload;
    }
    return done;
}

/* What is sent: templates with time stamps and padding. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAMP = 20 }; /* "T" and 19 digits: nanoseconds of the monotonic clock */

struct message {
    char *text;
    size_t length;
    char *stamp; /* in text; NULL where it has none */
};

static struct message messages[MAX_MESSAGES], big;

static struct message prepare(const char *template, int size)
{
    struct message message = {0};
    const char *hole = strstr(template, "%p");
    size_t fixed = strlen(template) - (hole ? 2 : 0), padding = 0;
    if (hole)
        padding = (size_t)size > fixed ? size - fixed : 0;
    message.length = fixed + padding;
    message.text = malloc(message.length + 1);
    size_t before = hole ? (size_t)(hole - template) : fixed;
    memcpy(message.text, template, before);
    memset(message.text + before, 'x', padding);
    memcpy(message.text + before + padding, hole ? hole + 2 : "", fixed - before);
    if (padding >= STAMP)
        message.stamp = message.text + before;
    return message;
}

void prepare_messages(void)
{
    for (int i = 0; i < options.message_count; i++)
        messages[i] = prepare(options.messages[i], options.size);
    big = prepare(options.big, options.big_size);
}

static void write_stamp(char *to, uint64_t stamp)
{
    *to = 'T';
    for (int i = STAMP - 1; i > 0; i--, stamp /= 10)
        to[i] = '0' + stamp % 10;
}

void send_message(struct connection *connection, uint64_t stamp)
{
    bool is_big = connection->id < options.big_count;
    struct message *message = is_big ? &big : &messages[connection->turn];
    connection->turn = (connection->turn + 1) % options.message_count;
    if (message->stamp)
        write_stamp(message->stamp, stamp);
    send_text(connection, message->text, message->length);
}

static bool is_stamp(const char *data, size_t length)
{
    if (length < STAMP || *data != 'T')
        return false;
    for (int i = 1; i < STAMP; i++)
        if (data[i] < '0' || data[i] > '9')
            return false;
    return true;
}

/* Return the time stamp in a message, 0 if it has none. It is mostly where it was before. */
uint64_t stamp_of(const char *data, size_t length)
{
    static size_t place;
    if (place >= length || !is_stamp(data + place, length - place))
        for (place = 0; place < length && !is_stamp(data + place, length - place);)
            place++;
    uint64_t stamp = 0;
    for (size_t i = 1; place < length && i < STAMP; i++)
        stamp = stamp * 10 + (data[place + i] - '0');
    return stamp;
}

static void fill(char *text, size_t size, const char *template, int i, int j)
{
    size_t length = 0;
    for (; *template && length + 12 < size; template++) {
        if (template[0] == '%' && (template[1] == 'i' || template[1] == 'j'))
            length += sprintf(text + length, "%d", *++template == 'i' ? i : j);
        else
            text[length++] = *template;
    }
    text[length] = 0;
}

void send_subscriptions(struct connection *connection)
{
    int channels = connection->held ? options.hold_channels : options.channels;
    const char *template = connection->held ? options.hold_subscribe : options.subscribe;
    char text[512];
    connection->answers_missing = channels;
    for (int j = 0; j < channels; j++) {
        fill(text, sizeof text, template, connection->id, j);
        send_text(connection, text, strlen(text));
    }
}

"""The steps that Redis does at once: publishing a message, and reading a part of a log."""

# PUBLISH numbers a message, keeps it a while and hands it on.
#
# KEYS: for each topic its position (a hash) and its log (a stream); then, if the topics share the
# message, the key under which it is kept once (a hash).
# ARGV: the message, an epoch should a new one begin, until when (in Redis's own time) the publisher
# waits, the command that publishes (PUBLISH or SPUBLISH), each topic's channel; then the retention:
# how many messages, bytes and milliseconds a log is kept, once for all topics or for each of them.
#
# One step for all topics: every process sees the message at the same place among the others.
# The script counts the listeners before it writes anything. A message without a listener gets no
# offset and no place in the log: it leaves no trace, nothing has to be taken back, and a message
# that was reported as received by nobody never arrives. Clients that watch Redis with a pattern
# (PSUBSCRIBE) are no listeners.
# Writing comes before handing on: if Redis refuses to write (out of memory, read-only), nothing is
# handed on. Of the commands that write, HSET comes first: after a DEL, which needs no memory, Redis
# would not refuse the others of a script any more.
# A message that comes too late is not handed on: its publisher has been told that it failed.
#
# A log's entry has the field "m", the message; or, for a shared message, "r", the key that keeps
# it, and "s", its size. Newer processes may add fields after these. The first channel gets a shared
# message whole, the others get "@" and the key. The key counts the logs that refer to it, goes with
# the last of them, and expires as they do.
#
# The position (whose field "number" is the offset) notes the bytes of its log. MAXLEN drops entries
# uncounted, so the note may be too high, never too low. Past the bound, the script reads the log,
# newest entry first, and keeps half of what it may: so every byte is read about once. The newest
# message always stays.
#
# The answer is how many connections listen, of all topics together; for one topic, a text of this
# number and of the message's place: an epoch and an offset, "- 0" without a log, nothing if nobody
# listens.
#
# Lua writes numbers as integers up to 10^14, which is more messages than a topic will have.
# Functions of its own would take a twentieth more of Redis's time: all is in one loop.
PUBLISH = """
local message, new_epoch, deadline, command = unpack(ARGV, 1, 4)
local count = command == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB'
local call = redis.call

local now = call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

local shared = #KEYS % 2 == 1 and KEYS[#KEYS]
local size, payload, references, received, longest = #message, message, 0, 0, 0
local place = ''
local topics = math.floor(#KEYS / 2)
local each = #ARGV > 4 + topics + 3 and 3 or 0
for i = 1, topics do
  local position, log, channel = KEYS[2 * i - 1], KEYS[2 * i], ARGV[4 + i]
  local listeners = call('PUBSUB', count, channel)[2]

  -- The only place that decides whether a message is kept and handed on.
  if listeners > 0 then
    place = '- 0 '
    local retention = 5 + topics + each * (i - 1)
    local log_size, milliseconds = ARGV[retention], ARGV[retention + 2]
    if log_size ~= '0' then
      local most = tonumber(ARGV[retention + 1])
      local at = call('HMGET', position, 'epoch', 'number', 'bytes')
      local epoch, number, bytes = at[1], (at[2] or 0) + 1, (at[3] or 0) + size
      if not epoch then
        epoch, number, bytes = new_epoch, 1, size
        call('HSET', position, 'epoch', epoch)
        call('DEL', log)
      elseif bytes > most then
        local full, oldest = false
        call('HSET', position, 'epoch', epoch)
        bytes = size
        for _, entry in ipairs(call('XREVRANGE', log, '+', '-')) do
          local fields = entry[2]
          local weight = fields[1] == 'r' and fields[4] or #fields[2]
          full = full or bytes + weight > most / 2
          if not full then
            bytes, oldest = bytes + weight, entry[1]
          elseif fields[1] == 'r' and call('HGET', fields[2], 'references')
              and call('HINCRBY', fields[2], 'references', -1) < 1 then
            call('DEL', fields[2])
          end
        end
        if oldest then
          call('XTRIM', log, 'MINID', oldest)
        else
          call('DEL', log)
        end
      end
      call('HSET', position, 'number', number, 'bytes', bytes)
      if shared then
        references = references + 1
        if references == 1 then
          call('HSET', shared, 'm', message)
        end
        if tonumber(milliseconds) > longest then
          longest = tonumber(milliseconds)
          call('PEXPIRE', shared, milliseconds)
        end
        call('XADD', log, 'MAXLEN', '~', log_size, number .. '-0', 'r', shared, 's', size)
      else
        call('XADD', log, 'MAXLEN', '~', log_size, number .. '-0', 'm', message)
      end
      call('PEXPIRE', position, milliseconds)
      call('PEXPIRE', log, milliseconds)
      place = epoch .. ' ' .. number .. ' '
    end
    call(command, channel, place .. payload)
    if references == 1 then
      payload = '@' .. shared
    end
    received = received + listeners
  end
end
if references > 0 then
  call('HSET', shared, 'references', references)
end
return topics > 1 and received or received .. ' ' .. place
"""

# READ returns a topic's position and a part of its log as they are at one moment.
#
# KEYS: its position and its log. ARGV: an epoch and the first offset that is wanted of it (of
# another epoch, the whole log is), and how many entries; -1 for all.
READ = """
local position = redis.call('HMGET', KEYS[1], 'epoch', 'number')
local first = position[1] == ARGV[1] and ARGV[2] or '0'
if ARGV[3] == '-1' then
  return {position, redis.call('XRANGE', KEYS[2], first, '+')}
end
return {position, redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', ARGV[3])}
"""

# MISSED returns what many topics have after the places up to which a process has received them.
#
# ARGV: a JSON list with an item for each topic, and about how many bytes of messages are wanted.
# An item is the name that a topic's keys begin with, the epoch and the offset of a place, and the
# id of the message there; each may be empty. Without an offset no messages are wanted.
#
# The first part of the answer has an element for each topic: nil for an idle topic, "E" if the
# topic cannot be read here, or three texts with spaces between them: two flags with the offset of
# the topic's position, and its epoch. The first flag compares the message at the place with the id:
# "=" the same, "!" another one, "?" not known. The second one is "+" if all wanted messages of the
# topic are in the answer, and "-" if there are more. The second part has a list for each topic with
# messages: the topic's number, then an offset and a message in turn. A shared message is whole at
# its first place and a reference at all others; "@" alone stands for one that has gone.
#
# The keys are not declared: a script with declared keys may only use those of one slot of a
# cluster. The script only reads, and what another node serves is reported as "E".
MISSED = """
local call, left, given, found, parts = redis.call, tonumber(ARGV[2]), {}, {}, {}

local function message_of(fields)
  if fields[1] ~= 'r' then
    return fields[2]
  end
  if given[fields[2]] then
    return '@' .. fields[2]
  end
  given[fields[2]] = true
  return call('HGET', fields[2], 'm') or '@'
end

local function look(number, tag, epoch, place, id)
  local log = tag .. '}:log'
  local at = call('HMGET', tag .. '}:position', 'epoch', 'number')
  if not (at[1] and at[2]) then
    return false
  end
  local same, whole, offset, last = '?', '+', 0, tonumber(at[2])
  if at[1] == epoch then
    offset = tonumber(place)
    local kept = id ~= '' and call('XRANGE', log, place .. '-0', place .. '-0')[1]
    if kept then
      same = string.find(kept[2][2], id, 1, true) and '=' or '!'
    end
  end
  if place ~= '' and same ~= '!' and offset < last then
    local part, page = {number}
    repeat
      if left <= 0 then
        whole = '-'
        break
      end
      page = call('XRANGE', log, string.format('%.0f-0', offset + 1), '+', 'COUNT', 50)
      for _, entry in ipairs(page) do
        local message = message_of(entry[2])
        offset, left = tonumber(string.match(entry[1], '^%d+')), left - #message
        part[#part + 1] = offset
        part[#part + 1] = message
      end
    until #page < 50
    if #part > 1 then
      parts[#parts + 1] = part
    end
  end
  return same .. whole .. ' ' .. at[2] .. ' ' .. at[1]
end

for number, item in ipairs(cjson.decode(ARGV[1])) do
  local done, answer = pcall(look, number, unpack(item))
  found[number] = answer
  if not done then
    found[number] = 'E'
  end
end
return {found, parts}
"""

MISSED_IN_CLUSTER = "#!lua flags=allow-cross-slot-keys,no-writes" + MISSED
"""The same where keys are in several slots: from Redis 7.0 on, as all that a cluster needs is."""

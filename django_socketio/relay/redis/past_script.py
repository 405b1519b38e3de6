"""The step that reads a part of a topic's past, and how far it can be relied on."""

from django_socketio.relay.redis.script import DATA

# PAST returns a part of a topic's log and from which offset on the log is complete, all as they are
# at one moment. It can give the topic a lease, which has messages kept that no process hears, and
# have all messages kept for some time.
#
# KEYS: its position and its log. ARGV: an epoch and the first offset that is wanted of it (of
# another epoch, the whole log is); how many entries, -1 for all; 1 for the newest of them rather
# than the oldest; the milliseconds of the lease, 0 for none; those for which all messages are to be
# kept, 0 for none; an epoch, should either begin one; the identity that is known to have lost
# nothing (see below).
#
# Redis may lose what it has accepted, and give the same offsets to other messages: if it restarts
# from its disk, or a replica takes over. So the position notes the identity of the data, as INFO
# tells it. If that is another one, the offsets go on at Redis's time in microseconds, or a billion
# higher, and the log is complete from there on (the field "mark"): no position from before is taken
# for one of the new messages, even if Redis goes back to the same data twice. No message has an
# offset between the last one of before (the field "before") and the mark. If no message has come
# since the last mark, the field stays as it is. In a cluster, a slot also comes from another node,
# and nothing is lost. So PAST first answers with the identity that it has noted. The process finds
# out whether a node has it still, and comes again, with it or "gone".
#
# The answer: Redis's time in milliseconds; then the noted identity and the present one, if they
# are to be compared; or the epoch, the offset and the mark of the topic, 1 if Redis has told its
# identity, and the entries. Time alone means that the topic is idle.
PAST = (
    """
local call, position, log = redis.call, KEYS[1], KEYS[2]
local epoch, first, count, newest, lease, keep, new_epoch, same = unpack(ARGV)

local now = call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local at = call('HMGET', position, 'epoch', 'number', 'mark', 'data', 'lease', 'keep')
if not at[1] then
  if lease == '0' and keep == '0' then
    return {now}
  end
  at = {new_epoch, 0, false, false, false, false}
  call('HSET', position, 'epoch', new_epoch, 'number', 0, 'bytes', 0)
  call('DEL', log)
end

local number, mark = tonumber(at[2]), tonumber(at[3] or 0)
local data
"""
    + DATA
    + """
if data ~= '' and at[4] ~= data then
  if at[4] and same == '' then
    return {now, at[4], data}
  end
  if at[4] and at[4] ~= same then
    if at[3] ~= at[2] or call('HEXISTS', position, 'before') == 0 then
      call('HSET', position, 'before', at[2])
    end
    number = math.max(number + 1000000000, now * 1000)
    mark = number
  end
  local offset = string.format('%.0f', number)
  call('HSET', position, 'data', data, 'number', offset, 'mark', string.format('%.0f', mark))
end

if lease ~= '0' then
  local until_then = math.max(tonumber(at[5] or 0), now + lease)
  call('HSET', position, 'lease', until_then, 'kept', 1)
  call('HDEL', position, 'away')
end
if keep ~= '0' then
  call('HSET', position, 'keep', math.max(tonumber(at[6] or 0), now + keep), 'kept', 1)
end
local lives = math.max(lease, keep)
if lives > 0 and call('PTTL', position) < lives then
  call('PEXPIRE', position, lives)
end

local entries = {}
if count ~= '0' then
  first = at[1] == epoch and first or '0'
  local limit = count == '-1' and {} or {'COUNT', count}
  if newest == '1' then
    entries = call('XREVRANGE', log, '+', first, unpack(limit))
  else
    entries = call('XRANGE', log, first, '+', unpack(limit))
  end
end
return {now, at[1], string.format('%.0f', number), string.format('%.0f', mark),
  data == '' and 0 or 1, entries}
"""
)

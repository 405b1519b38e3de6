"""What Redis does in one step: it numbers a message, keeps it a while and hands it on."""

# KEYS: for each topic its position (a hash) and its log (a stream).
# ARGV: the message, an epoch should a new one begin, how many messages and how many milliseconds
# the log is kept, until when (in Redis's own time) the publisher waits, the command that publishes
# (PUBLISH or SPUBLISH), and each topic's channel.
#
# One step for all topics: every process sees the message at the same place among the others.
# The script counts the listeners before it writes anything. A message without a listener gets no
# number and no place in the log: it leaves no trace, nothing has to be taken back, and a message
# that was reported as received by nobody never arrives. Clients that watch Redis with a pattern
# (PSUBSCRIBE) are no listeners.
# Writing comes before handing on: if Redis refuses to write (out of memory, read-only), nothing is
# handed on.
# A message that comes too late is not handed on: its publisher has been told that it failed.
PUBLISH = """
local message, new_epoch, log_size, log_milliseconds, deadline, command = unpack(ARGV, 1, 6)
local count = command == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB'

local now = redis.call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

-- Number a message and keep it; return what precedes it on the channel.
local function keep(position_key, log_key)
  if log_size == '0' then
    return '- 0 '
  end
  local epoch = redis.call('HGET', position_key, 'epoch')
  if not epoch then
    epoch = new_epoch
    redis.call('HSET', position_key, 'epoch', epoch)
    redis.call('DEL', log_key)
  end
  local number = redis.call('HINCRBY', position_key, 'number', 1)
  redis.call('XADD', log_key, 'MAXLEN', '~', log_size, number .. '-0', 'm', message)
  redis.call('PEXPIRE', position_key, log_milliseconds)
  redis.call('PEXPIRE', log_key, log_milliseconds)
  return epoch .. ' ' .. number .. ' '
end

local function publish(channel, position_key, log_key)
  local listeners = redis.call('PUBSUB', count, channel)[2]
  -- The only place that decides whether a message is kept.
  if listeners > 0 then
    redis.call(command, channel, keep(position_key, log_key) .. message)
  end
  return listeners
end

local received = 0
for i = 1, #KEYS, 2 do
  received = received + publish(ARGV[6 + (i + 1) / 2], KEYS[i], KEYS[i + 1])
end
return received
"""

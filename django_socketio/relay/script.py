"""What Redis does in one step: it numbers a message, keeps it a while and hands it on."""

# KEYS: for each topic its position (a hash) and its log (a stream).
# ARGV: the message, an epoch should a new one begin, how many messages and how many milliseconds
# the log is kept, until when (in Redis's own time) the publisher waits, the command that publishes,
# and each topic's channel.
#
# One step for all topics: everybody sees the message at the same place among the others.
# Writing comes first: where Redis refuses to (out of memory, read-only), nothing is handed on.
# What nobody received is not kept, so what a publisher was told was not received never arrives.
# What comes too late is not handed on: its publisher has been told that it failed.
PUBLISH = """
local message, new_epoch, log_size, log_milliseconds, deadline, command = unpack(ARGV, 1, 6)

local now = redis.call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

local function publish(channel, position_key, log_key)
  if log_size == '0' then
    return redis.call(command, channel, '- 0 ' .. message)
  end
  local position = redis.call('HMGET', position_key, 'epoch', 'number')
  local epoch, last = position[1] or new_epoch, position[2] or 0
  local number = last + 1
  redis.call('HSET', position_key, 'epoch', epoch, 'number', number)
  if number == 1 then
    redis.call('DEL', log_key)
  end
  redis.call('XADD', log_key, 'MAXLEN', '~', log_size, number .. '-0', 'm', message)

  local receivers = redis.call(command, channel, epoch .. ' ' .. number .. ' ' .. message)
  if receivers > 0 then
    redis.call('PEXPIRE', position_key, log_milliseconds)
    redis.call('PEXPIRE', log_key, log_milliseconds)
  elseif number == 1 then
    redis.call('DEL', position_key, log_key)
  else
    redis.call('HSET', position_key, 'number', last)
    redis.call('XDEL', log_key, number .. '-0')
    redis.call('XSETID', log_key, last .. '-0')
  end
  return receivers
end

local receivers = 0
for i = 1, #KEYS, 2 do
  receivers = receivers + publish(ARGV[6 + (i + 1) / 2], KEYS[i], KEYS[i + 1])
end
return receivers
"""

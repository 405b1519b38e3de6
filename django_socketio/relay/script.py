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
#
# Functions of its own would take a twentieth more of Redis's time: all is in one loop.
PUBLISH = """
local message, new_epoch, log_size, log_milliseconds, deadline, command = unpack(ARGV, 1, 6)
local count = command == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB'
local call = redis.call

local now = call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

local received = 0
for i = 1, #KEYS, 2 do
  local position, log, channel = KEYS[i], KEYS[i + 1], ARGV[6 + (i + 1) / 2]
  local listeners = call('PUBSUB', count, channel)[2]

  -- The only place that decides whether a message is kept and handed on.
  if listeners > 0 then
    local place = '- 0 '
    if log_size ~= '0' then
      local epoch = call('HGET', position, 'epoch')
      if not epoch then
        epoch = new_epoch
        call('HSET', position, 'epoch', epoch)
        call('DEL', log)
      end
      local number = call('HINCRBY', position, 'number', 1)
      call('XADD', log, 'MAXLEN', '~', log_size, number .. '-0', 'm', message)
      call('PEXPIRE', position, log_milliseconds)
      call('PEXPIRE', log, log_milliseconds)
      place = epoch .. ' ' .. number .. ' '
    end
    call(command, channel, place .. message)
    received = received + listeners
  end
end
return received
"""

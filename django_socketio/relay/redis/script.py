"""What Redis does in one step: it numbers a message, keeps it a while and hands it on."""

# KEYS: for each topic its position (a hash) and its log (a stream); then, if the topics share the
# message, the key under which it is kept once (a hash).
# ARGV: the message, an epoch should a new one begin, how many messages, bytes and milliseconds the
# log is kept, until when (in Redis's own time) the publisher waits, the command that publishes
# (PUBLISH or SPUBLISH), and each topic's channel.
#
# One step for all topics: every process sees the message at the same place among the others.
# The script counts the listeners before it writes anything. A message without a listener gets no
# number and no place in the log: it leaves no trace, nothing has to be taken back, and a message
# that was reported as received by nobody never arrives. Clients that watch Redis with a pattern
# (PSUBSCRIBE) are no listeners.
# Writing comes before handing on: if Redis refuses to write (out of memory, read-only), nothing is
# handed on. Of the commands that write, HSET comes first: after a DEL, which needs no memory, Redis
# would not refuse the others of a script any more.
# A message that comes too late is not handed on: its publisher has been told that it failed.
#
# A log's entry has the field "m", the message; or, for a shared message, "r", the key that keeps
# it, and "s", its size. The first channel gets a shared message whole, the others get "@" and the
# key. The key counts the logs that refer to it, goes with the last of them, and expires as they do.
#
# The position notes the bytes of its log. MAXLEN drops entries uncounted, so the note may be too
# high, never too low. Past the bound, the script reads the log, newest entry first, and keeps half
# of what it may: so every byte is read about once. The newest message always stays.
#
# Lua writes numbers as integers up to 10^14, which is more messages than a topic will have.
# Functions of its own would take a twentieth more of Redis's time: all is in one loop.
PUBLISH = """
local message, new_epoch, log_size, log_bytes, log_milliseconds, deadline, command = unpack(
  ARGV, 1, 7)
local count = command == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB'
local call = redis.call

local now = call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

local shared = #KEYS % 2 == 1 and KEYS[#KEYS]
local size, most, payload, references, received = #message, tonumber(log_bytes), message, 0, 0
for i = 1, #KEYS - 1, 2 do
  local position, log, channel = KEYS[i], KEYS[i + 1], ARGV[7 + (i + 1) / 2]
  local listeners = call('PUBSUB', count, channel)[2]

  -- The only place that decides whether a message is kept and handed on.
  if listeners > 0 then
    local place = '- 0 '
    if log_size ~= '0' then
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
          local weight = fields[4] or #fields[2]
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
          call('PEXPIRE', shared, log_milliseconds)
        end
        call('XADD', log, 'MAXLEN', '~', log_size, number .. '-0', 'r', shared, 's', size)
      else
        call('XADD', log, 'MAXLEN', '~', log_size, number .. '-0', 'm', message)
      end
      call('PEXPIRE', position, log_milliseconds)
      call('PEXPIRE', log, log_milliseconds)
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
return received
"""

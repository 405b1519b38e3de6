"""The steps that Redis does at once: publishing a message, and reading a log."""

# DATA sets the variable "data", which the script declares, to the identity of the data: what INFO
# tells of the run of Redis and of its replication.
# It changes when Redis may have lost what it had accepted, and is empty where INFO is not allowed.
DATA = """
data = ''
local run, history = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'replication')
if type(run) == 'string' and type(history) == 'string' then
  local id, line = string.match(run, 'run_id:(%x+)'), string.match(history, 'master_replid:(%x+)')
  data = id and line and string.sub(id, 1, 16) .. string.sub(line, 1, 16) or ''
end
"""

# PUBLISH numbers a message, keeps it a while and hands it on.
#
# KEYS: for each topic its position (a hash) and its log (a stream); then, if the topics share the
# message, the key under which it is kept once (a hash).
# ARGV: the message, an epoch should a new one begin, until when (in Redis's own time) the publisher
# waits, the command that publishes (PUBLISH or SPUBLISH), each topic's channel; then the retention,
# once for all topics or for each of them: how many messages, bytes and milliseconds a log is kept,
# and for how many milliseconds messages without a listener are kept (see below; -1: in any case).
#
# One step for all topics: every process sees the message at the same place among the others.
# The script counts the listeners before it writes anything. A message without a listener gets no
# offset and no place in the log: it leaves no trace, nothing has to be taken back, and a message
# that was reported as received by nobody never arrives. Clients that watch Redis with a pattern
# (PSUBSCRIBE) are no listeners.
# A message without a listener is kept all the same, with a number, if its retention says so, or if
# the position has a lease: a process had subscribers that may come back, and has noted so (PAST).
# No process can note that these have gone; it may have been killed. So the first message without a
# listener begins the time for which messages are kept from then on (the field "away"). The first
# message after that time is not kept, and must not be missed unnoticed: it ends the epoch, or takes
# a number if the log has messages that are kept for longer.
# The field "keep" is a time up to which each message is kept, heard or not (PAST).
# The field "kept" says that there is any of these fields: most topics have none.
# The field "until" is a time up to which the log must not expire: of a message that was to be kept.
#
# Writing comes before handing on: if Redis refuses to write (out of memory, read-only), nothing is
# handed on. Of the commands that write, HSET comes first: after a DEL, which needs no memory, Redis
# would not refuse the others of a script any more.
# A message that comes too late is not handed on: its publisher has been told that it failed.
#
# A position notes with which data its epoch began (the field "data"). PAST compares it, and finds
# out that Redis has gone back to a time before anybody read the topic.
#
# A log's entry has the field "m", the message; or, for a shared message, "r", the key that keeps
# it, and "s", its size. Newer processes may add fields after these. The first channel gets a shared
# message whole, the others get "@" and the key. The key counts the logs that refer to it, goes with
# the last of them, and expires as they do. A log that is to stay for longer than its retention says
# has the message itself: MAXLEN drops entries uncounted, so the key would outlive them.
#
# The position (whose field "number" is the offset) notes the bytes of its log. MAXLEN drops entries
# uncounted, so the note may be too high, never too low. Past the bound, the script reads the log,
# newest entry first, and keeps half of what it may: so every byte is read about once. The newest
# message always stays.
#
# The answer is 0 if nothing was written; else a text with the number of connections that listen, of
# all topics together, the place of the message in the last topic that took it (an epoch and an
# offset, "- 0" without a log), and the numbers of the topics that did not take it, with commas.
#
# Lua would write 1e+14 for 10^14. Functions of its own would take a twentieth more of Redis's time.
_STEPS = (
    """
local message, new_epoch, deadline, command = unpack(ARGV, 1, 4)
local count = command == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB'
local call = redis.call

local now = call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

local shared = #KEYS % 2 == 1 and KEYS[#KEYS]
local size, payload, references, received, longest, place = #message, message, 0, 0, 0
local milliseconds
local untaken = {}
local topics = math.floor(#KEYS / 2)
local each = #ARGV > 4 + topics + 4 and 4 or 0
for i = 1, topics do
  local position, log, channel = KEYS[2 * i - 1], KEYS[2 * i], ARGV[4 + i]
  local listeners = call('PUBSUB', count, channel)[2]
  local retention = 5 + topics + each * (i - 1)
  local log_size, unheard = ARGV[retention], ARGV[retention + 3]
  local at, away

  -- The only place that decides whether a message is kept and handed on.
  local is_taken = listeners > 0
  if log_size ~= '0' and (is_taken or unheard ~= '0') then
    at = call('HMGET', position, 'epoch', 'number', 'bytes', 'kept')
    if at[4] or unheard == '-1' then
      at[4], at[5], at[6], at[7] =
        unpack(call('HMGET', position, 'lease', 'until', 'away', 'keep'))
      milliseconds = now[1] * 1000 + math.floor(now[2] / 1000)
    end
    if not is_taken then
      is_taken = unheard == '-1'
      if (at[4] or at[7]) and not is_taken then
        away = at[4] and (at[6] or milliseconds + unheard)
        is_taken = at[7] and tonumber(at[7]) > milliseconds
          or away and tonumber(at[4]) > milliseconds and tonumber(away) > milliseconds
        if not is_taken and at[5] and tonumber(at[5]) > milliseconds then
          call('HINCRBY', position, 'number', 1)
          call('HDEL', position, 'lease', 'away', 'keep')
        elseif not is_taken then
          call('DEL', position, log)
        end
      end
    end
  end
  if not is_taken then
    untaken[#untaken + 1] = i
  else
    place = '- 0 '
    if at then
      local most, ttl = tonumber(ARGV[retention + 1]), ARGV[retention + 2]
      local epoch, number, bytes = at[1], (at[2] or 0) + 1, (at[3] or 0) + size
      if not epoch then
        epoch, number, bytes = new_epoch, 1, size
        call('HSET', position, 'epoch', epoch)
        call('DEL', log)
        if not data then
"""
    + DATA
    + """
        end
        if data ~= '' then
          call('HSET', position, 'data', data)
        end
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
      local digits = number < 1e14 and number or string.format('%.0f', number)
      call('HSET', position, 'number', digits, 'bytes', bytes)
      local expires, lives, stays, is_shared = false, ttl, ttl, shared
      if unheard == '-1' then
        expires = milliseconds + ttl
        if not at[5] or tonumber(at[5]) < expires then
          call('HSET', position, 'until', expires, 'kept', 1)
        end
      end
      if at[4] then
        if listeners > 0 and at[6] then
          call('HDEL', position, 'away')
        elseif away and not at[6] then
          call('HSET', position, 'away', away)
        end
        stays = math.max(stays, unheard)
        lives = math.max(stays, at[4] - milliseconds)
      end
      if at[5] or at[7] then
        local longer = math.max(at[5] or 0, at[7] or 0) - milliseconds
        if longer > tonumber(stays) then
          stays, is_shared = longer, false
        end
        lives = math.max(stays, lives)
      end
      if is_shared then
        references = references + 1
        if references == 1 then
          call('HSET', shared, 'm', message)
        end
        if tonumber(stays) > longest then
          longest = tonumber(stays)
          call('PEXPIRE', shared, stays)
        end
      end
      if expires and is_shared then
        local reference = {'r', shared, 's', size, 'u', expires}
        call('XADD', log, 'MAXLEN', '~', log_size, digits .. '-0', unpack(reference))
      elseif expires then
        call('XADD', log, 'MAXLEN', '~', log_size, digits .. '-0', 'm', message, 'u', expires)
      elseif is_shared then
        call('XADD', log, 'MAXLEN', '~', log_size, digits .. '-0', 'r', shared, 's', size)
      else
        call('XADD', log, 'MAXLEN', '~', log_size, digits .. '-0', 'm', message)
      end
      call('PEXPIRE', position, lives)
      call('PEXPIRE', log, stays)
      place = epoch .. ' ' .. digits .. ' '
    end
    if listeners > 0 then
      call(command, channel, place .. payload)
      if references > 0 then
        payload = '@' .. shared
      end
      received = received + listeners
    end
  end
end
if references > 0 then
  call('HSET', shared, 'references', references)
end
return place and received .. ' ' .. place .. table.concat(untaken, ',') or 0
"""
)

# A script learns the identity of the data once, however many epochs begin in it.
PUBLISH = "\nlocal data\n" + _STEPS

# PUBLISH_FUNCTION has these steps as a function for other scripts.
PUBLISH_FUNCTION = "\nlocal data\nlocal function publish(KEYS, ARGV)\n" + _STEPS + "\nend\n"

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

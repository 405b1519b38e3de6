"""The step that publishes many messages at once, or messages with an idempotency key."""

from django_socketio.relay.redis.script import PUBLISH_FUNCTION

# PUBLISH_MANY does what PUBLISH does, for one message after the other.
#
# KEYS: those of PUBLISH, of one run of messages after the other. A run is a number of messages with
# the same topics. A message with an idempotency key is a run of its own, with one key more: the
# record of the idempotency key (a hash).
# ARGV: an epoch should new ones begin, until when the publisher waits, the command that publishes,
# and the milliseconds for which records are kept. Then of each run: the number of its keys, of its
# messages, and of its further arguments; the message's id, if there is a record; the arguments of
# PUBLISH from the first channel on; the messages.
#
# A record has the field "by", the id of the message that was published, and "told", the answer for
# it. It is written first, as Redis may refuse to write, and deleted where the message left no
# trace. A message that is sent again, because its answer was lost, finds its own id.
# While it is not certain that nobody listens to the topics that did not take the message, the
# record has the field "message". Each later message with the key has that one handed on to these
# topics: under its own id, by which processes know the copies of other topics, and once to each
# topic. NOTE ends that.
#
# All messages of a run after the first one find the same listeners. If the log has nothing unusual
# about it, they need neither the questions nor the times of expiry that PUBLISH begins and ends
# with: that takes two commands for a message instead of eight.
#
# The answer is a list with the answer of PUBLISH for each message: in a list of its own if it was
# told to an earlier message with the same key. A text that begins with "R" is the answer for those
# of the rest of a run that were handed on: how many processes received each of them, the epoch, and
# the first and the last offset. A text that begins with "E" is the error with which Redis refused a
# message, and all that would have come after it.
PUBLISH_MANY = (
    PUBLISH_FUNCTION
    + """
local call = redis.call
local new_epoch, deadline, command, milliseconds = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local now = call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

local function publish_to(number, keys, arguments, message)
  local topics = math.floor(#keys / 2)
  local each = #arguments > 4 + topics + 4 and 4 or 0
  local first = 5 + topics + each * (number - 1)
  local own = {message, new_epoch, arguments[3], command, arguments[4 + number],
    unpack(arguments, first, first + 3)}
  return publish({keys[2 * number - 1], keys[2 * number]}, own)
end

local function publish_left(keys, arguments, record, told, message)
  local received, place, left = string.match(told, '^(%d+) (%S+ %S+) (.*)$')
  local untaken = {}
  for number in string.gmatch(left, '%d+') do
    local answer = publish_to(tonumber(number), keys, arguments, message)
    if answer == 0 then
      untaken[#untaken + 1] = number
    else
      received = received + string.match(answer, '^%d+')
    end
  end
  left = table.concat(untaken, ',')
  told = received .. ' ' .. place .. ' ' .. left
  call('HSET', record, 'told', told)
  if left == '' then
    call('HDEL', record, 'message')
  end
  return told
end

local function publish_once(keys, arguments, id)
  local record = table.remove(keys)
  local at = call('HMGET', record, 'by', 'told', 'message')
  if at[2] then
    local told = at[2] ~= '0' and at[2] or 0
    if at[3] then
      told = publish_left(keys, arguments, record, told, at[3])
    end
    return told ~= 0 and at[1] == id and told or {told}
  end
  call('HSET', record, 'by', id)
  call('PEXPIRE', record, milliseconds)
  local answer = publish(keys, arguments)
  if type(answer) == 'string' then
    call('HSET', record, 'told', answer)
    if string.match(answer, '%d$') then
      call('HSET', record, 'message', arguments[1])
    end
  else
    call('DEL', record)
  end
  return answer
end

local answers, rest = {}, nil

local function tell_rest()
  if rest and rest.last >= rest.first then
    local range = string.format('%.0f %.0f', rest.first, rest.last)
    answers[#answers + 1] = 'R' .. rest.received .. ' ' .. rest.epoch .. ' ' .. range
  end
  rest = nil
end

local function publish_rest(keys, arguments, first, last)
  local position, log, channel, log_size = keys[1], keys[2], arguments[5], arguments[6]
  local received = string.match(answers[#answers] or '', '^(%d+) ')
  local at = call('HMGET', position, 'epoch', 'number', 'bytes', 'kept')
  local size = 0
  for i = first, last do
    size = size + #ARGV[i]
  end
  local is_plain = #keys == 2 and log_size ~= '0' and arguments[9] ~= '-1' and at[1] and not at[4]
  if not (is_plain and received and received ~= '0') or at[3] + size > tonumber(arguments[7]) then
    for i = first, last do
      arguments[1] = ARGV[i]
      answers[#answers + 1] = publish(keys, arguments)
    end
    return
  end
  local epoch, number = at[1], at[2] + 0
  call('HSET', position, 'number', number + last - first + 1, 'bytes', at[3] + size)
  rest = {received = received, epoch = epoch, first = number + 1, last = number}
  for i = first, last do
    number = number + 1
    local digits = number < 1e14 and number or string.format('%.0f', number)
    local place = epoch .. ' ' .. digits .. ' '
    call('XADD', log, 'MAXLEN', '~', log_size, digits .. '-0', 'm', ARGV[i])
    call(command, channel, place .. ARGV[i])
    rest.last = number
  end
  tell_rest()
end

local function publish_all()
  local key, argument = 0, 4
  while argument < #ARGV do
    local key_count, count, more, id = unpack(ARGV, argument + 1, argument + 4)
    argument = argument + 4
    local keys, arguments = {}, {false, new_epoch, '1e300', command}
    for i = 1, key_count do
      keys[i] = KEYS[key + i]
    end
    for i = 1, more do
      arguments[4 + i] = ARGV[argument + i]
    end
    key, argument = key + key_count, argument + more + 1
    arguments[1] = ARGV[argument]
    if id ~= '' then
      answers[#answers + 1] = publish_once(keys, arguments, id)
    else
      answers[#answers + 1] = publish(keys, arguments)
    end
    if tonumber(count) > 1 then
      publish_rest(keys, arguments, argument + 1, argument + count - 1)
    end
    argument = argument + count - 1
  end
end

local done, error = pcall(publish_all)
if not done then
  tell_rest()
  answers[#answers + 1] = 'E' .. (type(error) == 'table' and error.err or tostring(error))
end
return answers
"""
)

# NOTE notes under an idempotency key that nobody, for certain, should have had a message on topics
# that did not take it.
#
# KEYS: the record. ARGV: the message's id, and the milliseconds for which records are kept.
NOTE = """
local told = redis.call('HGET', KEYS[1], 'told')
if not told then
  redis.call('HSET', KEYS[1], 'by', ARGV[1], 'told', '0')
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif redis.call('HDEL', KEYS[1], 'message') == 1 then
  redis.call('HSET', KEYS[1], 'told', string.match(told, '^%S+ %S+ %S+ '))
end
"""

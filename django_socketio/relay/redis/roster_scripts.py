"""The steps of rosters that Redis does at once."""

from django_socketio.relay.redis.script import PUBLISH_FUNCTION

# HOLD notes people of one topic for one process, and tells of the changes.
#
# KEYS: the people (a hash: by id, "online" or "away", a space, and the details); for each person
# how many processes hold it (a hash), and how many of those have it online (a hash); the people of
# this process (a hash: by id, "online" or "away"); the topic's position and its log, as of PUBLISH;
# the last order of the same giver about this process that has changed anything (a hash: its id, and
# the answers).
# ARGV: an epoch should a new one begin, the command that publishes, the topic's channel, the four
# arguments of its retention, the seconds for which the roster is kept, the id of the order, the
# seconds for which the order is known; then for each person its id, its new presence in this
# process, the details, the message that tells that the person has joined or left, and the one that
# tells of another change.
#
# If the answer was lost, the script is run again with the same id, and gives the same answer:
# somebody has to tell the handlers of a change, and to another order nothing changes any more.
# The message of a change is published as PUBLISH does, with a position.
#
# The answer has the presence before and after for each person, one after the other.
HOLD = (
    PUBLISH_FUNCTION
    + """
local call = redis.call
local people, holders, online, own, position, log, last = unpack(KEYS)
local new_epoch, command, channel = unpack(ARGV, 1, 3)
local order, answers, has_changed = ARGV[9], {}, false

local known = call('HMGET', last, 'order', 'answers')
if known[1] == order then
  for presence in string.gmatch(known[2], '%a+') do
    answers[#answers + 1] = presence
  end
  return answers
end

local function count(key, person, step)
  if step ~= 0 and call('HINCRBY', key, person, step) < 1 then
    call('HDEL', key, person)
  end
end

for i = 11, #ARGV, 5 do
  local person, presence, details, message, other = unpack(ARGV, i, i + 4)
  local entry = call('HGET', people, person)
  local before = entry and string.match(entry, '^%a+') or 'gone'
  local had = call('HGET', own, person)
  if presence == 'gone' then
    call('HDEL', own, person)
  else
    call('HSET', own, person, presence)
  end
  count(holders, person, (presence ~= 'gone' and 1 or 0) - (had and 1 or 0))
  count(online, person, (presence == 'online' and 1 or 0) - (had == 'online' and 1 or 0))
  local after = call('HEXISTS', holders, person) == 0 and 'gone'
    or call('HEXISTS', online, person) == 1 and 'online' or 'away'
  if after ~= before then
    has_changed = true
    if after == 'gone' then
      call('HDEL', people, person)
    else
      details = entry and string.match(entry, ' (.*)$') or details
      call('HSET', people, person, after .. ' ' .. details)
    end
    if before ~= 'gone' and after ~= 'gone' then
      message = other
    end
    publish({position, log}, {message, new_epoch, '1e300', command, channel, unpack(ARGV, 4, 7)})
  end
  answers[#answers + 1] = before
  answers[#answers + 1] = after
end
for i = 1, 4 do
  call('EXPIRE', KEYS[i], ARGV[8])
end
if has_changed then
  call('HSET', last, 'order', order, 'answers', table.concat(answers, ' '))
  call('EXPIRE', last, ARGV[10])
end
return answers
"""
)

# ROSTER returns the people on a topic, and the topic's position.
#
# KEYS: the people, and the position.
ROSTER = """
local position = redis.call('HMGET', KEYS[2], 'epoch', 'number')
return {position, redis.call('HGETALL', KEYS[1])}
"""

# PROLONG has keys live longer: a roster in which nothing changes, though its people are there.
#
# ARGV: the seconds.
PROLONG = """
for _, key in ipairs(KEYS) do
  redis.call('EXPIRE', key, ARGV[1])
end
"""

# NOTE notes the topics on which a process holds people.
#
# KEYS: the topics (a set). ARGV: the seconds for which they are kept, and the topics.
NOTE = """
for i = 2, #ARGV do
  redis.call('SADD', KEYS[1], ARGV[i])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""

# LEAVE changes the lease of a process that stops, unless others have taken it away.
#
# KEYS: the leases. ARGV: the process, and its last lease.
LEAVE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
"""

# RENEW renews the lease of a process: it is a number that grows. The others see that it does.
#
# KEYS: the leases (a hash: by process; the field "data" names the data), and the topics of the
# process (a set). ARGV: the process, 1 for its first lease or 0, a new name for the data, the
# seconds for which both are kept.
RENEW = """
local call = redis.call
local data = call('HGET', KEYS[1], 'data')
if not data then
  data = ARGV[3]
  call('HSET', KEYS[1], 'data', data)
end
local held = ARGV[2] == '1' or call('HEXISTS', KEYS[1], ARGV[1]) == 1
if held then
  call('HINCRBY', KEYS[1], ARGV[1], 1)
end
call('EXPIRE', KEYS[1], ARGV[4])
call('EXPIRE', KEYS[2], ARGV[4])
return {held and 1 or 0, data, call('HGETALL', KEYS[1])}
"""

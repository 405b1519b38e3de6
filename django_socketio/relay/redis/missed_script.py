"""The step that reads what many topics have after the places up to which they were received."""

# MISSED returns what many topics have after the places up to which a process has received them.
#
# ARGV: a JSON list with an item for each topic, and about how many bytes of messages are wanted.
# An item is the name that a topic's keys begin with, the epoch and the offset of a place, and the
# id of the message there; each may be empty. Without an offset no messages are wanted.
#
# The first part of the answer has an element for each topic: nil for an idle topic, "E" if the
# topic cannot be read here, or five texts with spaces between them: two flags, the offset of the
# topic's position, its fields "before" and "mark" (see PAST), and its epoch. The first flag
# compares the message at the place with the id: "=" the same, "!" another one, "?" not known. The
# second one is "+" if all wanted messages of the topic are in the answer, and "-" if there are
# more. The second part has a list for each topic with messages: the topic's number, then an offset
# and a message in turn. A shared message is whole at its first place and a reference at all others;
# "@" alone stands for one that has gone.
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
  local at = call('HMGET', tag .. '}:position', 'epoch', 'number', 'before', 'mark')
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
  local unused = at[3] and at[4] and at[3] .. ' ' .. at[4] or '0 0'
  return table.concat({same .. whole, at[2], unused, at[1]}, ' ')
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

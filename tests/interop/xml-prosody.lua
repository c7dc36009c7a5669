-- xml-prosody.lua -- reads what emit_trees writes through Prosody's util.xmppstream and compares the trees.
-- usage: emit_trees COUNT SEED | lua5.4 xml-prosody.lua COUNT
package.path = "/usr/lib/prosody/?.lua;" .. package.path
package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath
local new_stream = require "util.xmppstream".new

local XML = "http://www.w3.org/XML/1998/namespace"
local count = tonumber(arg[1])

local function str(s) return #s .. ":" .. s end

-- The text form of tests/unit/proto/trees.h. Prosody leaves out xmlns where the stream's own is in force.
local function text_of(stanza, out, top)
	local attrs = {}
	out[#out + 1] = "E" .. str(stanza.attr.xmlns or "jabber:client") .. str(stanza.name)
	for name, value in pairs(stanza.attr) do
		local ns, rest = name:match("^(.-)\1(.*)$")
		if name:sub(1, 4) == "xml:" then ns, rest = XML, name:sub(5) end
		-- Prosody gives a stanza without language the stream's.
		if name ~= "xmlns" and not (top and name == "xml:lang") then
			attrs[#attrs + 1] = { ns or "", rest or name, value }
		end
	end
	table.sort(attrs, function(a, b) if a[1] ~= b[1] then return a[1] < b[1] end return a[2] < b[2] end)
	for _, a in ipairs(attrs) do out[#out + 1] = "A" .. str(a[1]) .. str(a[2]) .. str(a[3]) end
	for _, child in ipairs(stanza) do
		if type(child) == "string" then
			out[#out + 1] = "T" .. str(child)
		else
			text_of(child, out, false)
		end
	end
	out[#out + 1] = "Z"
end

local read, failure
local session = { notopen = true }
local stream = new_stream(session, {
	default_ns = "jabber:client",
	streamopened = function(s) s.notopen = nil end,
	handlestanza = function(_, stanza) read = stanza end,
	error = function(_, e, what) failure = tostring(e) .. " " .. tostring(what) end,
}, 16 * 1024 * 1024)
assert(stream:feed("<?xml version='1.0'?><stream:stream xmlns='jabber:client' " ..
	"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"))

local same, differ = 0, 0
-- The comparison can fail: another tree has another text.
local function read_text(xml)
	read, failure = nil, nil
	local ok, err = stream:feed(xml)
	if not ok or failure or not read then return nil, err or failure or "no stanza" end
	local out = {}
	text_of(read, out, true)
	return table.concat(out)
end
assert(read_text("<message><a b='1'>t</a></message>") ==
	"E13:jabber:client7:messageE13:jabber:client1:aA0:1:b1:1T1:tZZ")
assert(read_text("<message><a b='1'>t </a></message>") ~= read_text("<message><a b='1'>t</a></message>"))

for line in io.lines() do
	local xml_len, text_len = line:match("^(%d+) (%d+)$")
	local xml, want = io.read(tonumber(xml_len)), io.read(tonumber(text_len))
	local got, err = read_text(xml)
	if got == want then
		same = same + 1
	else
		differ = differ + 1
		if differ <= 3 then print(string.format("differs: %q\nwant %q\ngot %q", xml, want, got or err)) end
		if not got then break end
	end
end
if same + differ ~= count then
	print("trees read: " .. same + differ .. " of " .. count)
	differ = differ + 1
end
print(string.format("%d trees the same", same))
print(string.format("%d passed, %d failed, 0 skipped", differ == 0 and 1 or 0, differ > 0 and 1 or 0))
os.exit(differ == 0 and 0 or 1)

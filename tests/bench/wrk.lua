-- Send one request again and again and compare every answer: status, and the end of the body.
-- Arguments: the file of the body to send, the file of what the answer must end with, and `close`
-- if each request asks to close its connection.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  local headers = { ["Content-Type"] = "application/json" }
  if args[3] == "close" then
    headers["Connection"] = "close"
  end
  message = wrk.format("POST", nil, headers, read(args[1]))
  expected = read(args[2])
  checked, wrong, sample = 0, 0, ""
end

function request()
  return message
end

function response(status, headers, body)
  checked = checked + 1
  if status ~= 200 or body:sub(-#expected) ~= expected then
    wrong = wrong + 1
    sample = status .. " " .. body:sub(1, 200)
  end
end

function done(summary, latency, requests)
  local checked, wrong, sample = 0, 0, ""
  for _, thread in ipairs(threads) do
    checked = checked + thread:get("checked")
    wrong = wrong + thread:get("wrong")
    sample = sample .. thread:get("sample")
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"checked":%d,"wrong":%d,'
      .. '"connect":%d,"read":%d,"write":%d,"timeout":%d}\n%s\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    checked, wrong, errors.connect, errors.read, errors.write, errors.timeout,
    sample:gsub("%c", " ")
  ))
end

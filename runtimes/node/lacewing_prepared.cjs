'use strict';
// A runtime that was booted before anybody needed it, and waits for the function that it will be.
//
// It is told two things on the door: a block of variables with its length before it, which is the function's whole
// environment, then one byte when the code is in its place. Whatever a function can see must then be as if Node had
// been started with that environment.

const fs = require('fs');
const Module = require('module');
const path = require('path');

const TASK = '/var/task';

exports.awaitFunction = (fd) => {
  // A line break before a request means nothing in HTTP; here it says that the interpreter is up.
  fs.writeSync(fd, '\r\n');
  const area = environmentArea();
  warmUp(area);
  const block = read(fd, read(fd, 4).readUInt32BE(0));
  takeEnvironment(block, area);
  read(fd, 1);
  // The directory that we were started in lies under the code now.
  process.chdir(TASK);
};

// Does once what the first invocation will do, and leaves nothing: a fault of a page is dearer than an instruction, and
// what is touched here is not touched first while a caller waits.
function warmUp(area) {
  // Moves the zone out of the variables that the process was started with.
  process.env.TZ = process.env.TZ;
  const present = Object.entries(process.env).map(([name, value]) => `${name}=${value}\0`).join('');
  takeEnvironment(Buffer.from(present), area);
  const file = path.resolve('/var/runtime', 'handler.cjs');
  const warm = new Module(file);
  warm.filename = file;
  warm._compile('exports.handler = async (event) => ({ a: [event] });', file);
  const context = { awsRequestId: '', getRemainingTimeInMillis: () => Date.now() };
  warm.exports.handler(JSON.parse('{"a": [1, 2.5, null, "text"]}'), context);
  Buffer.from(JSON.stringify({ a: [fs.existsSync(file), context] }));
  // The first of these calls starts libuv's threads; the door is read on one of them.
  fs.stat('/', () => {});
}

// Where the variables lie that the process was started with, and in how many bytes: what /proc/self/environ shows.
function environmentArea() {
  try {
    // Numbers 50 and 51, counted from the state, which is the third. Source: proc_pid_stat(5).
    const stat = fs.readFileSync('/proc/self/stat', 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { start: Number(fields[47]), size: Number(fields[48]) - Number(fields[47]) };
  } catch (_) {
    return undefined;
  }
}

function takeEnvironment(block, area) {
  const given = new Map();
  for (const entry of block.toString('utf8').split('\0')) {
    const at = entry.indexOf('=');
    if (at > 0) given.set(entry.slice(0, at), entry.slice(at + 1));
  }
  // All of them, those that stay the same too: where the old ones lie is written over below. Only the time zone is left
  // if it can be, for V8 and ICU begin anew with it; it has been moved away before.
  if (!given.has('TZ')) delete process.env.TZ;
  else if (given.get('TZ') === process.env.TZ) given.delete('TZ');
  for (const name of Object.keys(process.env)) if (name !== 'TZ') delete process.env[name];
  for (const [name, value] of given) process.env[name] = value;
  // Taken already, by the one who reads here.
  delete process.env.LACEWING_DOOR_FD;
  // NODE_PATH is read once, at the start.
  Module._initPaths();
  // Without it only /proc/self/environ shows less.
  if (area === undefined) return;
  try {
    show(block, area);
  } catch (_) {}
}

// Writes the variables to where the kernel looks for them.
function show(block, { start, size }) {
  const room = Buffer.alloc(size);
  block.copy(room);
  const fd = fs.openSync('/proc/self/mem', fs.constants.O_WRONLY);
  try {
    fs.writeSync(fd, room, 0, size, start);
  } finally {
    fs.closeSync(fd);
  }
}

function read(fd, size) {
  const data = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const count = fs.readSync(fd, data, at, size - at, null);
    // The platform has closed the door: no function will come.
    if (count === 0) process.exit(1);
    at += count;
  }
  return data;
}

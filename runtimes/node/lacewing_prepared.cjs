'use strict';
// A runtime that was booted before anybody needed it, and waits for the function that it will be.
//
// It is told two things on the door: a block of variables with its length before it, which is the function's whole
// environment, then one byte when the code is in its place. Whatever a function can see must then be as if Node had
// been started with that environment.

const fs = require('fs');

const TASK = '/var/task';

exports.awaitFunction = (fd) => {
  // A line break before a request means nothing in HTTP; here it says that the interpreter is up.
  fs.writeSync(fd, '\r\n');
  const block = read(fd, read(fd, 4).readUInt32BE(0));
  takeEnvironment(block);
  read(fd, 1);
  // The directory that we were started in lies under the code now.
  process.chdir(TASK);
};

function takeEnvironment(block) {
  // All of them, those that stay the same too: where the old ones lie is written over below.
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const entry of block.toString('utf8').split('\0')) {
    const at = entry.indexOf('=');
    if (at > 0) process.env[entry.slice(0, at)] = entry.slice(at + 1);
  }
  // Taken already, by the one who reads here.
  delete process.env.LACEWING_DOOR_FD;
  // NODE_PATH is read once, at the start.
  require('module')._initPaths();
  try {
    show(block);
  } catch (_) {
    // Only /proc/self/environ shows less.
  }
}

// Writes the variables to where the kernel looks for them: what /proc/self/environ shows.
function show(block) {
  // Numbers 50 and 51, counted from the state, which is the third. Source: proc_pid_stat(5).
  const stat = fs.readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const start = Number(fields[47]);
  const room = Buffer.alloc(Number(fields[48]) - start);
  block.copy(room);
  const fd = fs.openSync('/proc/self/mem', fs.constants.O_WRONLY);
  try {
    fs.writeSync(fd, room, 0, room.length, start);
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

'use strict';
// `console` as Lambda has it: each call one entry with time, request id and level, as text or JSON, written as a
// frame to the platform's pipe; without the pipe as one line on stdout.

const fs = require('fs');

// Level: [name, bits in the frame's first word].
const LEVELS = [
  ['TRACE', 4],
  ['DEBUG', 8],
  ['INFO', 12],
  ['WARN', 16],
  ['ERROR', 20],
  ['FATAL', 24],
];
const TEXT_FRAME = 0xa55a0003;
const JSON_FRAME = 0xa55a0002;

// Kept under registered symbols, where AWS's client and the libraries that look for it have them.
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

let isJson = false;

let format = (...given) => {
  format = require('util').format;
  return format(...given);
};

function describe(error) {
  const name = error.constructor && error.constructor.name;
  return {
    errorType: name === undefined || name === null ? 'UnknownError' : name,
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : error.stack,
  };
}

function jsonEntry(level, time, given) {
  const entry = { timestamp: time, level, requestId: global[REQUEST_ID] };
  const tenant = global[TENANT_ID];
  if (tenant !== undefined && tenant !== null) entry.tenantId = tenant;
  if (given.length === 1) {
    entry.message = given[0];
    try {
      return JSON.stringify(entry, (_, value) => (value instanceof Error ? Object.assign(describe(value), value) : value));
    } catch (_) {
      entry.message = format(given[0]);
      return JSON.stringify(entry);
    }
  }
  entry.message = format(...given);
  const error = given.find((one) => one instanceof Error);
  if (error) {
    Object.assign(entry, describe(error));
    if (!Array.isArray(entry.stackTrace)) entry.stackTrace = [];
  }
  return JSON.stringify(entry);
}

function entryOf(level, date, given) {
  const time = date.toISOString();
  return isJson ? jsonEntry(level, time, given) : `${time}\t${global[REQUEST_ID]}\t${level}\t${format(...given)}`;
}

function frameWriter(fd) {
  return (level, bits, given) => {
    const date = new Date();
    const text = entryOf(level, date, given);
    const message = isJson ? text : `${text}\n`;
    const length = Buffer.byteLength(message);
    let frame = Buffer.allocUnsafe(16 + length);
    frame.writeUInt32BE(((isJson ? JSON_FRAME : TEXT_FRAME) | bits) >>> 0, 0);
    frame.writeUInt32BE(length, 4);
    // Microseconds, in two halves of 32 bits: exact, and no BigInt.
    const micros = date.valueOf() * 1000;
    frame.writeUInt32BE(Math.floor(micros / 0x100000000), 8);
    frame.writeUInt32BE(micros % 0x100000000, 12);
    frame.write(message, 16);
    while (frame.length > 0) frame = frame.subarray(fs.writeSync(fd, frame));
  };
}

function lineWriter(level, bits, given) {
  process.stdout.write(`${entryOf(level, new Date(), given).replace(/\n/g, '\r')}\n`);
}

exports.patchConsole = () => {
  isJson = (process.env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';
  const fd = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  const write = fd === undefined ? lineWriter : frameWriter(Number(fd));
  const wanted = (process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase();
  const lowest = Math.max(0, LEVELS.findIndex(([name]) => name === wanted));
  LEVELS.forEach(([name, bits], at) => {
    // A fatal entry is never left out.
    const method = at >= lowest || name === 'FATAL' ? (...given) => write(name, bits, given.length ? given : [undefined]) : () => {};
    console[name.toLowerCase()] = method;
  });
  console.log = console.info;
};

exports.setRequest = (id, tenant) => {
  global[REQUEST_ID] = id;
  global[TENANT_ID] = tenant;
};

// The entry for an error that ended an invocation or the process.
exports.logError = (title, given) => {
  const error = given instanceof Error ? given : new Error(given);
  if (isJson) return console.error(error);
  console.error(title, require('./lacewing_errors.cjs').formatted(error));
};

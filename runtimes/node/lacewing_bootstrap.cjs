'use strict';
// Lacewing's Node runtime: loads the handler, then answers one event after the other.
//
// It speaks the Lambda Runtime API over a Unix stream that it finds open (LACEWING_DOOR_FD), or over TCP
// (AWS_LAMBDA_RUNTIME_API) where there is none. An answer and the request for the next event leave in one write.
// Every module that is loaded here is part of a cold start: `net`, `http` and `stream` stay out until needed.

const fs = require('fs');
const log = require('./lacewing_console.cjs');
const { loadHandler } = require('./lacewing_handler.cjs');

const ROOT = '/2018-06-01/runtime/';
const NEXT = Buffer.from(`GET ${ROOT}invocation/next HTTP/1.1\r\nHost: lacewing\r\n\r\n`);
const BREAK = Buffer.from('\r\n');
const READ_BYTES = 65536;

// The Runtime API on a blocking descriptor. Reads happen on a pool thread, so that the function's own timers and
// sockets go on; while the handler runs nothing is read, so that an empty event loop means that it is done.
class Door {
  constructor(fd) {
    this.fd = fd;
    this.data = Buffer.alloc(0);
    this.room = Buffer.allocUnsafeSlow(READ_BYTES);
    this.unread = 0;
    this.asked = false;
    // An answer is under way: nothing else can be said until it has ended.
    this.streams = false;
  }

  write(...pieces) {
    let data = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    while (data.length > 0) data = data.subarray(fs.writeSync(this.fd, data));
  }

  // Asks for an event unless that went out with the last answer; hands it to `take`.
  next(take) {
    if (!this.asked) this.write(NEXT);
    this.asked = false;
    this.skipAnswers((failed) => (failed ? take(failed) : this.read(take)));
  }

  // Reads away what answers our posts.
  skipAnswers(then) {
    if (this.unread === 0) return then(null);
    this.read((status) => {
      this.unread -= 1;
      if (status !== 202) console.error(`LAMBDA_RUNTIME Failed to post handler response. Http response code: ${status}.`);
      this.skipAnswers(then);
    });
  }

  read(take) {
    const head = this.data.indexOf('\r\n\r\n');
    if (head >= 0) {
      const lines = this.data.toString('utf8', 0, head).split('\r\n');
      const headers = {};
      for (let at = 1; at < lines.length; at++) {
        const colon = lines[at].indexOf(':');
        headers[lines[at].slice(0, colon).toLowerCase()] = lines[at].slice(colon + 1).trim();
      }
      const end = head + 4 + Number(headers['content-length'] || 0);
      if (this.data.length >= end) {
        const body = this.data.subarray(head + 4, end);
        this.data = this.data.subarray(end);
        return take(Number(lines[0].split(' ', 2)[1]), headers, body);
      }
      return this.gather(end, () => this.read(take));
    }
    this.more((bytes) => {
      this.data = this.data.length ? Buffer.concat([this.data, bytes]) : Buffer.from(bytes);
      this.read(take);
    });
  }

  // Collects until `size` bytes are there, joining them once.
  gather(size, then) {
    const parts = [this.data];
    let length = this.data.length;
    const step = () => {
      if (length >= size) {
        this.data = Buffer.concat(parts);
        return then();
      }
      this.more((bytes) => {
        parts.push(Buffer.from(bytes));
        length += bytes.length;
        step();
      });
    };
    step();
  }

  more(then) {
    fs.read(this.fd, this.room, 0, READ_BYTES, null, (error, count) => {
      // The platform has closed the door: nobody is left to work for.
      if (error || count === 0) process.exit(1);
      then(this.room.subarray(0, count));
    });
  }

  // Sends an answer, and with it the request for the next event.
  answer(path, headers, body, thenNext) {
    let head = `POST ${ROOT}${path} HTTP/1.1\r\nHost: lacewing\r\n`;
    for (const name of Object.keys(headers)) head += `${name}: ${headers[name]}\r\n`;
    const pieces = [Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body];
    if (thenNext) pieces.push(NEXT);
    this.asked = thenNext;
    this.unread += 1;
    this.write(...pieces);
  }

  // Begins an answer that is sent piece by piece, as chunks. A piece is done when the platform has taken it: the
  // write waits for that on a pool thread, so that the function's own timers and sockets go on.
  begin(path, headers) {
    let head = `POST ${ROOT}${path} HTTP/1.1\r\nHost: lacewing\r\nTransfer-Encoding: chunked\r\n`;
    for (const name of Object.keys(headers)) head += `${name}: ${headers[name]}\r\n`;
    head += '\r\n';
    this.unread += 1;
    this.streams = true;
    let ends = null;
    let busy = false;
    const send = (pieces, done) => {
      busy = true;
      this.writeLater(Buffer.concat([Buffer.from(head), ...pieces]), () => {
        busy = false;
        if (ends) ends();
        done();
      });
      head = '';
    };
    return {
      write: (chunk, done) => {
        if (chunk.length === 0 || ends) return done();
        send([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, BREAK], done);
      },
      end: (trailers, done) => {
        ends = () => {
          ends = () => {};
          this.streams = false;
          const lines = Object.keys(trailers || {}).map((name) => `${name}: ${trailers[name]}\r\n`);
          send([Buffer.from(`0\r\n${lines.join('')}\r\n`)], done);
        };
        if (!busy) ends();
      },
    };
  }

  writeLater(data, done) {
    fs.write(this.fd, data, 0, data.length, null, (error, count) => {
      if (error) process.exit(1);
      if (count < data.length) return this.writeLater(data.subarray(count), done);
      done();
    });
  }
}

// A wrapper may have closed our descriptors; then their numbers are Node's own by now, and the log's is taken for
// closed too.
function isSocket(fd) {
  try {
    return fs.fstatSync(fd).isSocket();
  } catch (_) {
    return false;
  }
}

function openDoor() {
  const fd = process.env.LACEWING_DOOR_FD;
  delete process.env.LACEWING_DOOR_FD;
  if (isSocket(Number(fd))) {
    // A line break before a request means nothing in HTTP; here it says that the interpreter is up.
    if (process.env.LACEWING_WAITS) require('./lacewing_prepared.cjs').awaitFunction(Number(fd));
    else fs.writeSync(Number(fd), '\r\n');
    return new Door(Number(fd));
  }
  if (fd !== undefined) delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  return require('./lacewing_tcp.cjs').openDoor(process.env.AWS_LAMBDA_RUNTIME_API);
}

const door = openDoor();
log.patchConsole();

// What to do when nothing caught an error: during INIT, and later per invocation.
let reportFatal = (error, done) => {
  const { response, kindOf } = require('./lacewing_errors.cjs');
  const body = response(error);
  door.answer('init/error', errorHeaders(kindOf(body)), Buffer.from(JSON.stringify(body)), false);
  done();
};

function errorHeaders(kind) {
  return { 'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': kind };
}

function leave(title, error, code) {
  log.logError(title, error);
  reportFatal(error, () => (door.close && !door.streams ? door.close(() => process.exit(code)) : process.exit(code)));
}

process.on('uncaughtException', (error) => leave('Uncaught Exception', error, 129));
process.on('unhandledRejection', (reason, promise) => {
  const { UnhandledPromiseRejection } = require('./lacewing_errors.cjs');
  leave('Unhandled Promise Rejection', new UnhandledPromiseRejection(reason, promise), 128);
});

// What an empty event loop means at this moment.
let whenEmpty = () => {};
process.on('beforeExit', () => whenEmpty());

function parseHeader(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error.toString()}`);
  }
}

// The fields of the context that both kinds of handler get.
function fillContext(context, headers) {
  const env = process.env;
  if (headers['lambda-runtime-trace-id']) env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  else delete env._X_AMZN_TRACE_ID;
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return Object.assign(context, {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parseHeader(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  });
}

// One invocation of a handler that answers with a value. `again` asks for the next.
function invokePlain(handler, headers, body, again) {
  const id = headers['lambda-runtime-aws-request-id'];
  let waitsForEmptyLoop = true;
  let called = false;
  let answered = false;

  const succeedNow = (result) => {
    if (answered) {
      console.error('Invocation has already been reported as done. Cannot call complete more than once per invocation.');
      return;
    }
    postResult(id, result, () => (answered = true));
    again();
  };
  const failNow = (error) => {
    log.logError('Invoke Error', error);
    postError(id, error, true);
    again();
  };
  const settle = (error, result) => {
    whenEmpty = () => {};
    if (error !== undefined && error !== null) failNow(error);
    else succeedNow(result);
  };
  // Whichever of them comes first counts, all others are void.
  const once = (act) => (...given) => {
    if (called) return;
    act(...given);
    called = true;
  };

  const callback = once((error, result) => {
    if ((error !== undefined && error !== null) || !waitsForEmptyLoop) return settle(error, result);
    whenEmpty = () => {
      whenEmpty = () => {};
      setImmediate(() => succeedNow(result));
    };
  });
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waitsForEmptyLoop;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waitsForEmptyLoop = value;
    },
    done: once(settle),
    succeed: once((result) => settle(null, result)),
    fail: once((error) => settle(error === undefined || error === null ? 'handled' : error)),
  };

  // The loop ran empty and nobody called back: that is an answer too.
  whenEmpty = () => {
    whenEmpty = () => {};
    succeedNow(null);
  };
  try {
    const result = handler(JSON.parse(body.toString('utf8')), fillContext(context, headers), callback);
    if (result && typeof result.then === 'function') {
      result.then(context.succeed, context.fail).catch(context.fail);
    }
  } catch (error) {
    callback(error);
  }
}

function postResult(id, result, beforeSending = () => {}) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch (_) {
    throw new Error('Unable to stringify response body');
  }
  beforeSending();
  const bytes = Buffer.from(text === undefined ? '' : text);
  door.answer(`invocation/${id}/response`, { 'Content-Type': 'application/json' }, bytes, true);
}

function postError(id, error, thenNext) {
  const { response, cause, kindOf } = require('./lacewing_errors.cjs');
  const body = response(error);
  const headers = errorHeaders(kindOf(body));
  const why = cause(error);
  if (why) headers['Lambda-Runtime-Function-XRay-Error-Cause'] = why;
  door.answer(`invocation/${id}/error`, headers, Buffer.from(JSON.stringify(body)), thenNext);
}

function run(handler, invoke) {
  const again = () =>
    setImmediate(() =>
      door.next((status, headers, body) => {
        if (status !== 200) {
          console.error(`LAMBDA_RUNTIME Failed to get next invocation. Http response code: ${status}.`);
          process.exit(1);
        }
        const id = headers['lambda-runtime-aws-request-id'];
        log.setRequest(id, headers['lambda-runtime-aws-tenant-id']);
        reportFatal = (error, done) => {
          if (!door.streams) postError(id, error, false);
          done();
        };
        invoke(handler, headers, body, again);
      })
    );
  again();
}

// The runtime that was asked for decides, not the interpreter that stands in for it.
const version = Number((/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV) || [])[1]) || 0;
const isAsyncOnly = version >= 24;

loadHandler(process.env.LAMBDA_TASK_ROOT || '/var/task', process.env._HANDLER || '', isAsyncOnly)
  .then(({ handler, isStreaming }) => {
    const parts = { door, log, fillContext, postError, postResult, setWhenEmpty: (act) => (whenEmpty = act) };
    if (isStreaming) return run(handler, require('./lacewing_stream.cjs').streamInvoker(parts));
    if (!isAsyncOnly) return run(handler, invokePlain);
    const { asyncInvoker, refuseCallbacks } = require('./lacewing_async.cjs');
    refuseCallbacks(handler);
    run(handler, asyncInvoker(parts));
  })
  .catch((error) => leave(isAsyncOnly ? 'Init Error' : 'Uncaught Exception', error, 129));

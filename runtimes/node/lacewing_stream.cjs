'use strict';
// Handlers made with `awslambda.streamifyResponse`: what they write goes out while they run. A write is done when
// the platform has taken it, so `write()` returns false and `drain` comes as the caller's own pace allows.

const { Writable } = require('stream');

const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

// The stream of one invocation. It begins with its first byte, or its end; `conclude` ends it with an error, and
// `abandon` keeps one that has not begun from beginning.
function openStream(door, id, highWaterMark) {
  let contentType = 'application/octet-stream';
  let written = false;
  let answer = null;
  let failure = null;
  let abandoned = false;
  const begin = () => {
    const headers = { 'Content-Type': contentType, 'Lambda-Runtime-Function-Response-Mode': 'streaming' };
    if (answer === null) answer = door.begin(`invocation/${id}/response`, headers);
    return answer;
  };
  const stream = new Writable({
    highWaterMark,
    decodeStrings: true,
    write: (chunk, _encoding, done) => begin().write(chunk, done),
    // A little later: a handler that turns out not to be async has failed, though it has ended its stream.
    final: (done) => process.nextTick(() => (abandoned ? done() : begin().end(failure, done))),
  });
  const write = stream.write.bind(stream);
  const bytes = (chunk) => (typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk));
  stream.write = (chunk, encoding, done) => {
    if (!written) {
      written = true;
      if (typeof stream._onBeforeFirstWrite === 'function') stream._onBeforeFirstWrite((first) => write(first));
    }
    return write(bytes(chunk), encoding, done);
  };
  const end = stream.end.bind(stream);
  stream.end = (chunk, encoding, done) => {
    if (typeof chunk === 'function') return end(chunk);
    if (chunk !== undefined && chunk !== null) stream.write(chunk, typeof encoding === 'string' ? encoding : undefined);
    return end(typeof encoding === 'function' ? encoding : done);
  };
  stream.setContentType = (type) => {
    if (written) throw new (require('./lacewing_errors.cjs').InvalidStreamingOperation)('Cannot set content-type, too late.');
    contentType = type;
  };
  const conclude = (error, then) => {
    const { response, kindOf } = require('./lacewing_errors.cjs');
    const body = response(error);
    failure = {
      'Lambda-Runtime-Function-Error-Type': kindOf(body),
      'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(body)).toString('base64'),
    };
    if (stream.destroyed) return begin().end(failure, then);
    stream.once('finish', then);
    if (!stream.writableEnded) end();
  };
  return { stream, conclude, abandon: () => (abandoned = true), hasBegun: () => answer !== null };
}

exports.streamInvoker = ({ door, log, fillContext, postError, setWhenEmpty }) =>
  async function invokeStreaming(handler, headers, event, again) {
    const id = headers['lambda-runtime-aws-request-id'];
    const { stream, conclude, abandon, hasBegun } = openStream(door, id, handler[HIGH_WATER_MARK]);
    let waitsForEmptyLoop = true;
    let answered = false;

    const goOn = () => {
      setWhenEmpty(() => {});
      if (!waitsForEmptyLoop) return again();
      setWhenEmpty(() => {
        setWhenEmpty(() => {});
        again();
      });
    };
    const fail = (error, then = goOn) => {
      if (answered) return;
      answered = true;
      log.logError('Invoke Error', error);
      if (hasBegun()) return conclude(error, then);
      abandon();
      postError(id, error, false);
      then();
    };
    const succeed = () => {
      if (answered) return;
      answered = true;
      goOn();
    };

    // The loop ran empty before the stream ended.
    setWhenEmpty(() => {
      setWhenEmpty(() => {});
      fail(new Error('Response stream is not finished.'), again);
    });
    try {
      const context = fillContext(
        {
          get callbackWaitsForEmptyEventLoop() {
            return waitsForEmptyLoop;
          },
          set callbackWaitsForEmptyEventLoop(value) {
            waitsForEmptyLoop = value;
          },
        },
        headers
      );
      const running = handler(JSON.parse(event.toString('utf8')), stream, context);
      if (!running || typeof running.then !== 'function') {
        fail('Streaming does not support non-async handlers.');
        return;
      }
      if ((await running) !== undefined) console.warn('Streaming handlers ignore return values.');
      // A stream that is piped into may end later than its handler.
      if (stream.writableFinished) succeed();
      else stream.once('finish', succeed).once('error', (error) => fail(error));
    } catch (error) {
      fail(error);
    }
  };

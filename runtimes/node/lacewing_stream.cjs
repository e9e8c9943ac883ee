'use strict';
// Handlers made with `awslambda.streamifyResponse`. The stream is collected here and sent when it has ended;
// answering while it flows comes with the streaming API.

const { Writable } = require('stream');

function openStream() {
  let contentType = 'application/octet-stream';
  let begun = false;
  const chunks = [];
  const stream = new Writable({
    decodeStrings: true,
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const write = stream.write.bind(stream);
  const bytes = (chunk) => (typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk));
  stream.write = (chunk, encoding, done) => {
    if (!begun) {
      begun = true;
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
    if (begun) throw new (require('./lacewing_errors.cjs').InvalidStreamingOperation)('Cannot set content-type, too late.');
    contentType = type;
  };
  return { stream, result: () => ({ contentType, body: Buffer.concat(chunks) }) };
}

exports.streamInvoker = ({ door, log, fillContext, postError, setWhenEmpty }) =>
  async function invokeStreaming(handler, headers, event, again) {
    const id = headers['lambda-runtime-aws-request-id'];
    const { stream, result } = openStream();
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
      postError(id, error, false);
      then();
    };
    const succeed = () => {
      if (answered) return;
      answered = true;
      const { contentType, body } = result();
      const headers = { 'Content-Type': contentType, 'Lambda-Runtime-Function-Response-Mode': 'streaming' };
      door.answer(`invocation/${id}/response`, headers, body, false);
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

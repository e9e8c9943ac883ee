'use strict';
// The Runtime API over TCP, for a start without our own stream.

const http = require('http');

exports.openDoor = (address) => {
  const [host, port] = address.split(':');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  // One call after the other: what is asked for next waits until the answer before it is through.
  let last = Promise.resolve();
  const call = (method, path, headers, body) => {
    const sent = last.then(
      () =>
        new Promise((resolve, reject) => {
          const request = http.request({ host, port, agent, method, path, headers }, (response) => {
            const parts = [];
            response.on('data', (part) => parts.push(part));
            response.on('end', () => resolve([response.statusCode, response.headers, Buffer.concat(parts)]));
          });
          request.on('error', reject);
          request.end(body);
        })
    );
    last = sent.catch(() => process.exit(1));
    return sent;
  };
  const root = '/2018-06-01/runtime/';
  return {
    next(take) {
      call('GET', `${root}invocation/next`, {}).then((answer) => take(...answer));
    },
    answer(path, headers, body) {
      call('POST', root + path, Object.assign({ 'Content-Length': body.length }, headers), body).then(([status]) => {
        if (status !== 202) {
          console.error(`LAMBDA_RUNTIME Failed to post handler response. Http response code: ${status}.`);
        }
      });
    },
    // An answer that is sent piece by piece.
    begin(path, headers) {
      const chunked = { 'Transfer-Encoding': 'chunked' };
      const request = http.request({
        host,
        port,
        agent,
        method: 'POST',
        path: root + path,
        headers: Object.assign(chunked, headers, { Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body' }),
      });
      this.streams = true;
      const through = new Promise((resolve, reject) => {
        request.on('response', (response) => response.resume().on('end', resolve));
        request.on('error', reject);
      });
      last = through.catch(() => process.exit(1));
      return {
        write: (chunk, done) => (chunk.length === 0 ? done() : request.write(chunk, () => done())),
        end: (trailers, done) => {
          this.streams = false;
          if (trailers) request.addTrailers(trailers);
          request.end(() => done());
        },
      };
    },
    close(then) {
      last.then(then);
    },
  };
};

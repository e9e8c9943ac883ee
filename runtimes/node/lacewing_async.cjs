'use strict';
// Handlers of nodejs24.x and later: what they return or resolve to is the answer. There are no callbacks, and
// the context has nothing to answer with. Source: AWS's Node client 4, and the notes of the nodejs24.x runtime.

exports.refuseCallbacks = (handler) => {
  if (handler.length < 3) return;
  const { CallbackHandlerDeprecated } = require('./lacewing_errors.cjs');
  const hint = 'Make it async and return the result, or use the nodejs22.x runtime.';
  throw new CallbackHandlerDeprecated(`Handlers with a callback ended with Node.js 24. ${hint}`);
};

exports.asyncInvoker = ({ log, fillContext, postError, postResult, setWhenEmpty }) =>
  async function invokeAsync(handler, headers, event, again) {
    const id = headers['lambda-runtime-aws-request-id'];
    // Nothing is left that could settle the promise: Node's own code for that.
    setWhenEmpty(() => process.exit(13));
    try {
      const context = fillContext({ xRayTraceId: headers['lambda-runtime-trace-id'] }, headers);
      const result = await handler(JSON.parse(event.toString('utf8')), context);
      postResult(id, result);
    } catch (error) {
      log.logError('Invoke Error', error);
      postError(id, error, true);
    }
    setWhenEmpty(() => {});
    again();
  };

'use strict';
// What a failure looks like: to the caller, in the log, and to X-Ray. Loaded only when there is one.

const CAUSE_BYTES_MAX = 1024 * 1024;

// A header cannot hold this one; everywhere else it does no harm either.
const clean = (text) => (typeof text === 'string' ? text.replace(/\x7F/g, '%7F') : text);

function looksLikeError(value) {
  return value && ['name', 'message', 'stack'].every((key) => typeof value[key] === 'string' && value[key]);
}

function isNativeError(value) {
  return require('util').types.isNativeError(value);
}

// The body that the caller gets.
exports.response = (error) => {
  try {
    if (isNativeError(error) || looksLikeError(error)) {
      return { errorType: clean(error.name), errorMessage: clean(error.message), trace: clean(error.stack).split('\n') };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch (_) {
    const errorMessage =
      'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack';
    return { errorType: 'handled', errorMessage };
  }
};

// The error type as a header can hold it.
exports.kindOf = (body) => String(body.errorType).replace(/[^ -~]/g, '?');

// The text after the title in the log.
exports.formatted = (error) => {
  try {
    return `\t${JSON.stringify(error, (_, value) => (value instanceof Error ? withFields(value) : value))}`;
  } catch (_) {
    return `\t${JSON.stringify(exports.response(error))}`;
  }
};

function withFields(error) {
  const fields = Object.assign({ errorType: error.name, errorMessage: error.message, code: error.code }, error);
  if (typeof error.stack === 'string') fields.stack = error.stack.split('\n');
  return fields;
}

// The cause as X-Ray wants it, or nothing.
exports.cause = (error) => {
  try {
    const lines = error.stack ? clean(error.stack).split('\n').slice(1) : [];
    const stack = lines.map((line) => {
      const text = line.trim().replace(/[()]/g, '').replace(/^\S* /, '');
      const space = text.lastIndexOf(' ');
      const [path, number] = (space < 0 ? text : text.slice(space + 1)).split(':');
      return { path, line: parseInt(number, 10), label: space < 0 ? 'anonymous' : text.slice(0, space) };
    });
    const cause = JSON.stringify({
      working_directory: process.cwd(),
      exceptions: [{ type: clean(error.name), message: clean(error.message), stack }],
      paths: Array.from(new Set(stack.map((entry) => entry.path))),
    }).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    return cause.length < CAUSE_BYTES_MAX ? cause : '';
  } catch (_) {
    return '';
  }
};

for (const kind of [
  class ImportModuleError extends Error {},
  class HandlerNotFound extends Error {},
  class MalformedHandlerName extends Error {},
  class UserCodeSyntaxError extends Error {},
  class MalformedStreamingHandler extends Error {},
  class InvalidStreamingOperation extends Error {},
  class CallbackHandlerDeprecated extends Error {},
  class UnhandledPromiseRejection extends Error {
    constructor(reason, promise) {
      super(reason);
      this.reason = reason;
      this.promise = promise;
    }
  },
]) {
  exports[kind.name] = kind;
  kind.prototype.name = `Runtime.${kind.name}`;
}

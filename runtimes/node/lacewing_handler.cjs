'use strict';
// Finds and loads what `_HANDLER` names: `dir/file.export`, with further dots for nested exports.

const fs = require('fs');
const path = require('path');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const RESPONSE = 'response';

const errors = () => require('./lacewing_errors.cjs');

// `looksInDefault`: a handler that is missing may be in the default export.
exports.loadHandler = async (root, given, looksInDefault) => {
  if (given.includes('..')) {
    const hint = 'Use absolute paths when specifying root directories in handler names.';
    throw new (errors().MalformedHandlerName)(`'${given}' is not a valid handler name. ${hint}`);
  }
  const last = path.basename(given);
  const folder = given.slice(0, given.indexOf(last));
  const dot = last.indexOf('.');
  if (dot < 0) throw new (errors().MalformedHandlerName)('Bad handler');
  defineGlobal();
  const exported = await loadApp(root, folder, last.slice(0, dot));
  const names = last.slice(dot + 1).split('.');
  const within = (object) => names.reduce((nested, key) => nested && nested[key], object);
  const handler = within(exported) || (looksInDefault && exported && within(exported.default));
  if (!handler) throw new (errors().HandlerNotFound)(`${given} is undefined or not exported`);
  if (typeof handler !== 'function') throw new (errors().HandlerNotFound)(`${given} is not a function`);
  return { handler, isStreaming: isStreaming(handler) };
};

function isStreaming(handler) {
  const mark = handler[STREAMING];
  if (mark === undefined || mark === null || mark === false) return false;
  if (mark === RESPONSE) return true;
  throw new (errors().MalformedStreamingHandler)('Only response streaming is supported.');
}

// `awslambda`, by which a handler says that it streams.
function defineGlobal() {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = RESPONSE;
      if (options && typeof options.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      return handler;
    },
    HttpResponseStream: class HttpResponseStream {
      // The metadata go before the first byte of the body, with eight zeros between.
      static from(stream, metadata) {
        stream.setContentType('application/vnd.awslambda.http-integration-response');
        const prelude = JSON.stringify(metadata);
        stream._onBeforeFirstWrite = (write) => {
          write(prelude);
          write(new Uint8Array(8));
        };
        return stream;
      }
    },
  };
}

async function loadApp(root, folder, name) {
  try {
    return await find(root, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) throw new (errors().UserCodeSyntaxError)(error);
    if (error && error.code === 'MODULE_NOT_FOUND') throw new (errors().ImportModuleError)(error);
    throw error;
  }
}

// The exact file, then `.js` (as a module where package.json says so), `.mjs`, `.cjs`, then as Node itself resolves.
async function find(root, folder, name) {
  const file = path.resolve(root, folder, name);
  if (fs.existsSync(file)) return require(file);
  if (fs.existsSync(`${file}.js`)) return isModule(path.dirname(file)) ? load(`${file}.js`) : require(`${file}.js`);
  if (fs.existsSync(`${file}.mjs`)) return load(`${file}.mjs`);
  if (fs.existsSync(`${file}.cjs`)) return require(`${file}.cjs`);
  return require(require.resolve(name, { paths: [root, path.resolve(root, folder)] }));
}

function load(file) {
  return import(require('url').pathToFileURL(file).href);
}

// Whether the nearest package.json makes `.js` a module.
function isModule(folder) {
  if (folder.endsWith('/node_modules')) return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      const described = JSON.parse(fs.readFileSync(file, 'utf8'));
      if (described) return described.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder === '/' ? false : isModule(path.dirname(folder));
}

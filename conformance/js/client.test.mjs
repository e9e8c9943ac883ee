// The AWS SDK for JavaScript v3, unmodified, against a running server: from create to delete.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  CreateFunctionCommand, DeleteFunctionCommand, GetFunctionCommand, InvokeCommand,
  InvokeWithResponseStreamCommand, LambdaClient, paginateListFunctions,
  UpdateFunctionCodeCommand, UpdateFunctionConfigurationCommand, waitUntilFunctionActiveV2, waitUntilFunctionUpdatedV2,
} from '@aws-sdk/client-lambda';
import { zipped } from './zip.mjs';

const runtime = `nodejs${process.versions.node.split('.')[0]}.x`;
const role = 'arn:aws:iam::000000000000:role/of-the-function';
const folder = mkdtempSync(join(tmpdir(), 'lacewing-js-'));
let server, lambda, logs;

before(async () => {
  const words = ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data'), '--root-key', 'AKIAJS:secret'];
  server = spawn(process.env.LACEWING_BIN, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const endpoint = await new Promise((resolve, reject) => {
    let said = '';
    server.stderr.on('data', (chunk) => {
      said += chunk;
      const found = /lacewing ready: (http:\/\/\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    server.on('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
  const shared = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'AKIAJS', secretAccessKey: 'secret' }, maxAttempts: 1 };
  lambda = new LambdaClient(shared);
  logs = new CloudWatchLogsClient(shared);
});

after(async () => {
  server.removeAllListeners('exit');
  const ended = new Promise((resolve) => server.on('exit', (code) => resolve(code)));
  server.kill('SIGTERM');
  assert.equal(await ended, 0);
  rmSync(folder, { recursive: true, force: true });
});

const waiter = () => ({ client: lambda, maxWaitTime: 30, minDelay: 1, maxDelay: 1 });
const code = (source) => zipped({ 'index.mjs': source });

async function invoke(name, event, more = {}) {
  const reply = await lambda.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event), LogType: 'Tail', ...more }));
  return { ...reply, value: JSON.parse(reply.Payload.transformToString()), log: Buffer.from(reply.LogResult, 'base64').toString() };
}

test('a function lives from create to delete', async (t) => {
  await t.test('create', async () => {
    const made = await lambda.send(new CreateFunctionCommand({
      FunctionName: 'byjs', Runtime: runtime, Role: role, Handler: 'index.handler', Timeout: 10,
      Code: { ZipFile: code('export const handler = async (event) => { console.log("said"); return { got: event }; };') },
    }));
    assert.equal(made.State, 'Pending');
    await waitUntilFunctionActiveV2(waiter(), { FunctionName: 'byjs' });
  });
  await t.test('invoke', async () => {
    const answer = await invoke('byjs', { n: 1, text: 'é☃' });
    assert.deepEqual(answer.value, { got: { n: 1, text: 'é☃' } });
    assert.equal(answer.StatusCode, 200);
    assert.equal(answer.ExecutedVersion, '$LATEST');
    assert.match(answer.log, /said/);
  });
  await t.test('get', async () => {
    const found = await lambda.send(new GetFunctionCommand({ FunctionName: 'byjs' }));
    assert.equal(found.Configuration.State, 'Active');
    assert.equal((await fetch(found.Code.Location)).status, 200);
  });
  await t.test('update', async () => {
    await lambda.send(new UpdateFunctionCodeCommand({
      FunctionName: 'byjs', ZipFile: code('export const handler = async () => process.env.KEY ?? "second";'),
    }));
    await waitUntilFunctionUpdatedV2(waiter(), { FunctionName: 'byjs' });
    assert.equal((await invoke('byjs', {})).value, 'second');
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: 'byjs', Environment: { Variables: { KEY: 'third' } } }));
    await waitUntilFunctionUpdatedV2(waiter(), { FunctionName: 'byjs' });
    assert.equal((await invoke('byjs', {})).value, 'third');
  });
  await t.test('list', async () => {
    const names = [];
    for await (const page of paginateListFunctions({ client: lambda, pageSize: 1 }, {})) {
      names.push(...page.Functions.map((one) => one.FunctionName));
    }
    assert.deepEqual(names, ['byjs']);
  });
  await t.test('logs', async () => {
    let messages = [];
    for (let tries = 0; tries < 50 && !messages.includes('said'); tries += 1) {
      const page = await logs.send(new FilterLogEventsCommand({ logGroupName: '/aws/lambda/byjs', filterPattern: '"said"' }));
      messages = page.events.map((event) => event.message.trim().split('\t').pop());
    }
    assert.ok(messages.includes('said'));
  });
  await t.test('delete', async () => {
    await lambda.send(new DeleteFunctionCommand({ FunctionName: 'byjs' }));
    await assert.rejects(lambda.send(new GetFunctionCommand({ FunctionName: 'byjs' })), { name: 'ResourceNotFoundException' });
  });
});

test('a streamed answer comes while the function writes it', async () => {
  const source = `
    import { setTimeout as sleep } from 'node:timers/promises';
    export const handler = awslambda.streamifyResponse(async (event, out) => {
      out.write('first');
      await sleep(800);
      if (event.fail) throw new Error('mid');
      out.end(' last');
    });`;
  await lambda.send(new CreateFunctionCommand({
    FunctionName: 'flows', Runtime: runtime, Role: role, Handler: 'index.handler', Timeout: 10, Code: { ZipFile: code(source) },
  }));
  await waitUntilFunctionActiveV2(waiter(), { FunctionName: 'flows' });
  const read = async (event) => {
    const reply = await lambda.send(new InvokeWithResponseStreamCommand({ FunctionName: 'flows', Payload: JSON.stringify(event) }));
    const pieces = [];
    for await (const one of reply.EventStream) {
      if (one.PayloadChunk) pieces.push({ at: performance.now(), text: Buffer.from(one.PayloadChunk.Payload).toString() });
      if (one.InvokeComplete) return { pieces, end: one.InvokeComplete };
    }
    throw new Error('the stream has no end');
  };
  const { pieces, end } = await read({});
  assert.deepEqual([pieces[0].text, pieces.map((piece) => piece.text).join('')], ['first', 'first last']);
  assert.ok(pieces.at(-1).at - pieces[0].at > 500);
  assert.equal(end.ErrorCode, undefined);
  const failed = await read({ fail: true });
  assert.equal(JSON.parse(failed.end.ErrorDetails).errorMessage, 'mid');
});

test('errors are the classes that the SDK knows', async () => {
  await assert.rejects(invoke('nobody', {}), { name: 'ResourceNotFoundException', message: /Function not found/ });
  const bad = lambda.send(new CreateFunctionCommand({
    FunctionName: 'bad', Runtime: 'cobol85', Role: role, Handler: 'a.b', Code: { ZipFile: code('') },
  }));
  await assert.rejects(bad, { name: 'InvalidParameterValueException' });
});

test('a function that throws is a function error', async () => {
  await lambda.send(new CreateFunctionCommand({
    FunctionName: 'throws', Runtime: runtime, Role: role, Handler: 'index.handler',
    Code: { ZipFile: code('export const handler = async () => { throw new RangeError("as asked"); };') },
  }));
  await waitUntilFunctionActiveV2(waiter(), { FunctionName: 'throws' });
  const answer = await invoke('throws', {});
  assert.equal(answer.FunctionError, 'Unhandled');
  assert.equal(answer.value.errorType, 'RangeError');
});

// The demo's Node function.

let calls = 0;

export const handler = async (event, context) => {
  calls += 1;
  console.log(`node: call ${calls}, event ${JSON.stringify(event)}, ${context.memoryLimitInMB} MB`);
  return { from: `Node ${process.versions.node}`, call: calls, event };
};

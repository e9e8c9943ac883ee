// A function: it is called with an event (any JSON) and returns an answer (any JSON).

export const handler = async (event, context) => {
  const name = event.name ?? "world";
  console.log(`greeting ${name}`);
  return { greeting: `Hello, ${name}!`, request: context.awsRequestId };
};

/** A good manifest of nine lines at most, the first of them `---`; `more` is one line of its spec, the ninth. */
export function manifest(name: string, more = ""): string {
  return `---
apiVersion: discord-agent.dev/v1alpha1
kind: Agent
metadata: {name: ${name}}
spec:
  displayName: ${name.toUpperCase()}
  description: does ${name}
  prompt: You are ${name}.
${more === "" ? "" : `  ${more}\n`}`;
}

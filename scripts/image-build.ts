/** What a Dockerfile takes its two stages from, when nothing else is said: by tag, which names another image tomorrow. */
export interface Bases {
  readonly base: string;
  readonly buildBase: string;
}

const digest = /@sha256:[0-9a-f]{64}$/;

/** The bases that a Dockerfile names as its defaults. */
export function basesOf(dockerfile: string): Bases {
  const argument = (name: string) => {
    const found = new RegExp(`^ARG ${name}=(\\S+)$`, "m").exec(dockerfile)?.[1];
    if (found === undefined) throw new Error(`the Dockerfile has no default for ${name}`);
    return found;
  };
  return { base: argument("BASE"), buildBase: argument("BUILD_BASE") };
}

/** Why these bases cannot be those of a release, in one sentence; null: each is named by its digest. */
export function floating(bases: Bases): string | null {
  const flags = { "--base": bases.base, "--build-base": bases.buildBase };
  const first = Object.entries(flags).find(([, image]) => !digest.test(image));
  if (first === undefined) return null;
  return `${first[0]} ${first[1]} can be another image tomorrow: name it by its digest, NAME@sha256:…, as docs/operations/image.md says`;
}

/** The command that builds the image of a release, to be typed at the root of the repository. */
export function buildCommand(image: string, version: string, bases: Bases): string {
  return [
    "docker build",
    `--build-arg BUILD_BASE=${bases.buildBase}`,
    `--build-arg BASE=${bases.base}`,
    `--build-arg VERSION=${version}`,
    '--build-arg REVISION="$(git rev-parse HEAD)"',
    `--tag ${image}:${version} .`,
  ].join(" \\\n  ");
}

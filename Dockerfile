# Two stages: one with npm that bundles the program, one with Node, the bundle and nothing else. No shell, no package manager, uid 65532.
#   docker build --tag ghcr.io/discord-agent/discord-agent:$(node -p 'require("./package.json").version') .
ARG BUILD_BASE=node:24-bookworm-slim
ARG BASE=gcr.io/distroless/nodejs24-debian12:nonroot

FROM ${BUILD_BASE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Nothing runs but what is written here.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN node scripts/bundle.ts \
 && mkdir -p /out/app/node_modules/@electric-sql/pglite /out/data \
 && cp -R dist package.json /out/app/ \
 && cp -R node_modules/@electric-sql/pglite-pgvector /out/app/node_modules/@electric-sql/ \
 && cp node_modules/@electric-sql/pglite/package.json node_modules/@electric-sql/pglite/LICENSE /out/app/node_modules/@electric-sql/pglite/ \
 && cp -R node_modules/@electric-sql/pglite/dist /out/app/node_modules/@electric-sql/pglite/ \
 && find /out/app/node_modules -name '*.cjs' -delete -o -name '*.map' -delete -o -name '*.d.ts' -delete -o -name '*.d.cts' -delete
COPY agents.yaml LICENSE /out/app/
# The same bytes whenever it is built.
RUN find /out -exec touch --no-dereference --date=@0 {} + && chown -R 65532:65532 /out/data

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="discord-agent" \
      org.opencontainers.image.description="A Kubernetes-native, multi-agent AI bot for Discord" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/discord-agent/discord-agent" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
WORKDIR /app
USER 65532:65532
# Where distroless has Node, and where other bases have it.
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin NODE_ENV=production HEALTH_CHECK_PORT=8000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=6 CMD ["node", "/app/dist/main.js", "healthy"]
# A base may have another one, or none, and the arguments of a gateway begin with a flag of Node.
ENTRYPOINT ["node"]
# Without POSTGRESQL_URL everything is kept in /data: mount a volume there.
CMD ["dist/main.js", "--data", "/data", "--agents", "/app/agents.yaml"]

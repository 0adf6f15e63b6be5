import type { Message } from "../world/message.ts";
import type { Call } from "./call.ts";

/** The message of this author with this nonce, when it is young enough and, usually, still there; null otherwise. */
export function recall({ nonces, state, limits, bot }: Call, nonce: string): Message | null {
  const message = nonces.get(`${bot.id} ${nonce}`);
  if (message === undefined || (message.deletedAt !== null && !limits.nonceOutlivesMessage)) return null;
  return state.now() - message.createdAt < limits.nonceKeepMs ? message : null;
}

export function remember({ nonces, bot }: Call, nonce: string, message: Message): void {
  nonces.set(`${bot.id} ${nonce}`, message);
}

/** Counts the post, and notes when the same author has said the same in answer to the same message before. */
export function watchDoubles({ state, report }: Call, message: Message): void {
  report.posts += 1;
  const { authorId, content, replyTo } = message;
  if (replyTo === null) return;
  const recent = state.history.get(message.channelId)?.slice(-1_000) ?? [];
  const twin = recent.find(
    (one) =>
      one !== message &&
      one.deletedAt === null &&
      one.authorId === authorId &&
      one.replyTo === replyTo &&
      one.content === content,
  );
  if (twin !== undefined) report.doubledPosts.push({ first: twin.id, second: message.id, replyTo, content });
}

/** A refusal in Discord's shape: an HTTP status, a code of its own and a sentence. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: number;
  /** For 50035: what is wrong with which field. */
  readonly errors: object | null;

  constructor(status: number, code: number, message: string, errors: object | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }

  get body(): object {
    return { message: this.message, code: this.code, ...(this.errors === null ? {} : { errors: this.errors }) };
  }
}

export const refusals = {
  unauthorized: () => new ApiError(401, 0, "401: Unauthorized"),
  noRoute: () => new ApiError(404, 0, "404: Not Found"),
  unknownChannel: () => new ApiError(404, 10003, "Unknown Channel"),
  unknownGuild: () => new ApiError(404, 10004, "Unknown Guild"),
  unknownMember: () => new ApiError(404, 10007, "Unknown Member"),
  unknownMessage: () => new ApiError(404, 10008, "Unknown Message"),
  unknownUser: () => new ApiError(404, 10013, "Unknown User"),
  unknownEmoji: () => new ApiError(400, 10014, "Unknown Emoji"),
  unknownWebhook: () => new ApiError(404, 10015, "Unknown Webhook"),
  unknownInteraction: () => new ApiError(404, 10062, "Unknown interaction"),
  unknownCommand: () => new ApiError(404, 10063, "Unknown application command"),
  tooManyWebhooks: () => new ApiError(400, 30007, "Maximum number of webhooks reached (15)"),
  acknowledged: () => new ApiError(400, 40060, "Interaction has already been acknowledged."),
  noAccess: () => new ApiError(403, 50001, "Missing Access"),
  othersMessage: () => new ApiError(403, 50005, "Cannot edit a message authored by another user"),
  emptyMessage: () => new ApiError(400, 50006, "Cannot send an empty message"),
  noDirectMessages: () => new ApiError(403, 50007, "Cannot send messages to this user"),
  wrongChannelType: () => new ApiError(400, 50024, "Cannot execute action on this channel type"),
  notInVoice: () => new ApiError(400, 50008, "Cannot send messages in a non-text channel"),
  noPermission: () => new ApiError(403, 50013, "Missing Permissions"),
  badWebhookToken: () => new ApiError(401, 50027, "Invalid Webhook Token"),
  noHistory: () => new ApiError(400, 160_002, "Cannot reply without permission to read message history"),
  threadLocked: () => new ApiError(400, 160_005, "Thread is locked"),
  threadExists: () => new ApiError(400, 160_004, "A thread has already been created for this message"),
} as const;

/** 50035 for one field: `path` is "content" or "embeds.0.title". */
export function invalidForm(path: string, code: string, message: string): ApiError {
  const errors = path
    .split(".")
    .reduceRight<object>((inner, step) => ({ [step]: inner }), { _errors: [{ code, message }] });
  return new ApiError(400, 50035, "Invalid Form Body", errors);
}

export function tooLong(path: string, max: number): ApiError {
  return invalidForm(path, "BASE_TYPE_MAX_LENGTH", `Must be ${max} or fewer in length.`);
}

/** The languages the bot itself speaks; agents answer in any. */
export type Locale = "en" | "ja";

/**
 * Every text of the bot's own, in English. Keys of commands are their path, which stays English; `{time}` takes a Discord timestamp and
 * `{channel}` a mention, so that everyone sees them their own way.
 */
const english = {
  thinking: "Thinking…",
  waiting: "I can answer in about {seconds} s ({ahead} before you).",
  deferred: "I cannot answer right now. Your message is kept, and I will answer it at about {time}.",
  busy: "I have too much to do at the moment. Please try again in a minute.",

  "command.ask": "Ask the bot something",
  "option.ask.text": "What you want to ask",
  "option.ask.agent": "Who should answer; left out, the bot decides",
  "command.agents": "See who can answer here",
  "command.why": "See how an answer came about",
  "option.why.message": "Link or ID of the answer; left out, the last one in this channel",
  "menu.why": "Why this answer?",
  "command.memory": "See what is remembered about you",
  "command.memory.show": "Show the newest memories about you",
  "command.memory.search": "Search the memories about you",
  "option.memory.search.words": "What to look for",
  "command.forget": "Have something forgotten",
  "command.forget.me": "Forget everything I know about you, wherever I know it from",
  "command.forget.this": "Forget one message and everything made from it",
  "option.forget.this.message": "Link or ID of the message; left out, your last one in this channel",
  "command.forget.channel": "Forget everything from a channel (moderators only)",
  "option.forget.channel.channel": "Which channel; left out, this one",
  "command.privacy": "What is kept about you, and your choice in it",
  "command.privacy.show": "Show what is kept and for how long",
  "command.privacy.opt-out": "Have nothing you write remembered from now on",
  "command.privacy.opt-in": "Allow what you write to be remembered again",
  "command.status": "See how the bot is doing",
  "command.bot": "Silence the bot in a channel or let it speak (moderators only)",
  "command.bot.silence": "Keep the bot silent in a channel",
  "option.bot.silence.channel": "Which channel; left out, this one",
  "option.bot.silence.minutes": "For how many minutes; left out, until you let it speak again",
  "option.bot.silence.server": "True: everywhere on this server",
  "command.bot.resume": "Let the bot speak in a channel again",
  "option.bot.resume.channel": "Which channel; left out, this one",
  "option.bot.resume.server": "True: lift the silence of the whole server",
  "command.bot.why-silent": "See why a message was not answered",
  "option.bot.why-silent.message": "Link or ID of the message; left out, the last one in this channel",

  "agents.header": "These agents can answer here:",
  "agents.default": "answers when nobody else is chosen",
  "ask.unknown-agent": "There is no agent called “{agent}” here. `/agents` shows who is here.",
  "why.button": "Why?",
  "why.agent": "**{agent}** answered, because {reason}.",
  "why.details": "Model {model}, {input} tokens in and {output} out, {seconds} s.",
  "why.memories": "Memories it was made from: {count}.",
  "why.hidden": "Memories from places that you may not read: {count}.",
  "why.none": "I have no record of how this answer came about.",
  "why.not-allowed": "You are not allowed to read the messages this answer was made from.",
  "memory.header": "What I remember about you here:",
  "memory.empty": "I remember nothing about you here.",
  "memory.none-found": "I remember nothing about you that fits these words.",
  "forget.question":
    "Forget this for good? It cannot be undone. Concerned: memories {memories}, messages {turns}, vectors {vectors}.",
  "forget.yes": "Forget",
  "forget.no": "Keep",
  "forget.kept": "Nothing was forgotten.",
  "forget.nothing": "There is nothing like that to forget.",
  "forget.done": "Forgotten. Removed: memories {memories}, messages {turns}, vectors {vectors}.",
  "forget.not-allowed": "You are not allowed to have this forgotten.",
  "privacy.days":
    "I keep the messages that concern me, my answers, and the memories made from them, each with its source. They are deleted after {days} days. What was said in a private channel is never used where others can read. `/memory show` lists what I remember about you, `/forget me` removes it, and after `/privacy opt-out` I remember nothing more that you write.",
  "privacy.for-ever":
    "I keep the messages that concern me, my answers, and the memories made from them, each with its source. They are kept until somebody has them forgotten. What was said in a private channel is never used where others can read. `/memory show` lists what I remember about you, `/forget me` removes it, and after `/privacy opt-out` I remember nothing more that you write.",
  "privacy.opted-out":
    "From now on I remember nothing that you write. What I remember already stays until you use `/forget me`.",
  "privacy.opted-in": "I may remember again what you write. `/privacy opt-out` takes that back at any time.",
  "privacy.remembered": "At the moment I may remember what you write.",
  "privacy.not-remembered": "You have opted out: I remember nothing that you write now.",
  "bot.silenced": "I am silent in {channel} now, until somebody uses `/bot resume`.",
  "bot.silenced-until": "I am silent in {channel} until {time}.",
  "bot.resumed": "I speak in {channel} again.",
  "bot.resumed-server":
    "The silence of the whole server is lifted. Channels that were silenced by themselves stay silent.",
  "bot.still-silent":
    "I am still silent in {channel}: the whole server, or the channel that it belongs to, is silenced as well. `/bot resume` lifts that too, with `server: True` or in that channel.",
  "bot.everywhere": "every channel of this server",
  "silent.judge": "I heard it and decided not to answer: {reason}.",
  "judged.own-message": "the bot wrote it itself",
  "judged.bot": "another bot wrote it",
  "judged.empty": "there is no text in it",
  "judged.channel": "no agent may speak in this channel",
  "judged.not-addressed": "nobody called the bot, and this is a shared channel",
  "silent.moderator": "A moderator has silenced me here.",
  "silent.quota": "I have used up what I may ask my model for now. What was kept will be answered later.",
  "silent.breaker": "My model is not answering. I try again by myself.",
  "silent.permission": "I lack the permission “{permission}” in {channel}.",
  "silent.never-heard": "I never received this message.",
  "silent.answered": "I answered it: {link}",
  "silent.waiting": "I have it, and its answer is on its way.",
  "silent.gave-up": "I could not answer it, and said so (reference {reference}).",
  "silent.none": "Nothing has been said here that I know of.",
  "permission.view": "View Channel",
  "permission.send": "Send Messages",
  "permission.history": "Read Message History",
  "permission.files": "Attach Files",
  "status.people": "Agents: {agents}. Model: {model}. Messages waiting: {waiting}.",
  "status.model-ready": "ready",
  "status.model-waiting": "out of quota for now",
  "status.model-down": "not answering",
  "error.unknown": "I am sorry, something went wrong inside me. Please try again later (reference {reference}).",
  "error.too-late": "That took me longer than Discord allows. Please use the command again.",
  "error.too-long": "That message is too long for me. Please keep it under {limit} characters.",
  "error.attachment-too-large": "That attachment is too large for me.",
  "error.no-message": "That is neither the link nor the ID of a message.",
  "error.not-allowed": "You are not allowed to do that.",
  "error.server-only": "That works only on a server.",
  "error.elsewhere": "I do not work on this server.",
  "feedback.kept": "Thank you, I have noted it.",
  "answer.as-file": "The answer is too long for messages; all of it is in the file.",
  "answer.cut":
    "The answer is too long for messages and was cut here; I lack the permission “{permission}” to send it as a file.",
} as const satisfies Readonly<Record<string, string>>;

/** The name of one text. */
export type PhraseKey = keyof typeof english;

const japanese: Readonly<Record<PhraseKey, string>> = {
  thinking: "考えています…",
  waiting: "順番をお待ちください。あと約{seconds}秒で回答できます（前に{ahead}件）。",
  deferred: "今は回答できません。メッセージはお預かりしましたので、{time}ごろに回答します。",
  busy: "ただいま混み合っています。1分ほどしてからもう一度お試しください。",

  "command.ask": "ボットに質問します",
  "option.ask.text": "質問の内容",
  "option.ask.agent": "回答するエージェント（省略するとボットが選びます）",
  "command.agents": "ここで回答できるエージェントを表示します",
  "command.why": "回答がどのように作られたかを表示します",
  "option.why.message": "回答のリンクまたはID（省略するとこのチャンネルの最後の回答）",
  "menu.why": "この回答の理由",
  "command.memory": "あなたについて記憶している内容を表示します",
  "command.memory.show": "あなたについての新しい記憶を表示します",
  "command.memory.search": "あなたについての記憶を検索します",
  "option.memory.search.words": "検索する言葉",
  "command.forget": "記憶を削除します",
  "command.forget.me": "あなたについて記憶している内容を、場所を問わずすべて削除します",
  "command.forget.this": "メッセージ1件と、それをもとにした記憶を削除します",
  "option.forget.this.message": "メッセージのリンクまたはID（省略するとこのチャンネルでのあなたの最後の発言）",
  "command.forget.channel": "チャンネルの記憶をすべて削除します（モデレーター専用）",
  "option.forget.channel.channel": "対象のチャンネル（省略するとこのチャンネル）",
  "command.privacy": "あなたについて保存される内容を確認・設定します",
  "command.privacy.show": "保存される内容と期間を表示します",
  "command.privacy.opt-out": "今後あなたの発言を記憶しないようにします",
  "command.privacy.opt-in": "あなたの発言を再び記憶できるようにします",
  "command.status": "ボットの状態を表示します",
  "command.bot": "チャンネルでのボットの発言を止めたり再開したりします（モデレーター専用）",
  "command.bot.silence": "チャンネルでのボットの発言を止めます",
  "option.bot.silence.channel": "対象のチャンネル（省略するとこのチャンネル）",
  "option.bot.silence.minutes": "止める時間を分で指定します。省略すると再開するまで止めます",
  "option.bot.silence.server": "Trueにすると、このサーバー全体で止めます",
  "command.bot.resume": "チャンネルでのボットの発言を再開します",
  "option.bot.resume.channel": "対象のチャンネル（省略するとこのチャンネル）",
  "option.bot.resume.server": "Trueにすると、サーバー全体の停止を解除します",
  "command.bot.why-silent": "メッセージに回答しなかった理由を表示します",
  "option.bot.why-silent.message": "メッセージのリンクまたはID（省略するとこのチャンネルの最後のメッセージ）",

  "agents.header": "ここで回答できるエージェントです。",
  "agents.default": "ほかに担当がいないときに回答します",
  "ask.unknown-agent": "「{agent}」というエージェントはいません。`/agents` で確認してください。",
  "why.button": "理由",
  "why.agent": "**{agent}** が回答しました。理由：{reason}",
  "why.details": "モデル {model}、入力{input}トークン、出力{output}トークン、{seconds}秒",
  "why.memories": "もとになった記憶：{count}件",
  "why.hidden": "閲覧権限のない場所の記憶：{count}件",
  "why.none": "この回答がどのように作られたかの記録がありません。",
  "why.not-allowed": "この回答のもとになったメッセージを読む権限がありません。",
  "memory.header": "ここであなたについて記憶している内容です。",
  "memory.empty": "ここであなたについて記憶していることはありません。",
  "memory.none-found": "その言葉に合う、あなたについての記憶はありません。",
  "forget.question":
    "本当に削除しますか？元に戻すことはできません。対象：記憶{memories}件、メッセージ{turns}件、ベクトル{vectors}件",
  "forget.yes": "削除する",
  "forget.no": "残す",
  "forget.kept": "何も削除しませんでした。",
  "forget.nothing": "該当する記憶はありません。",
  "forget.done": "削除しました。内訳：記憶{memories}件、メッセージ{turns}件、ベクトル{vectors}件",
  "forget.not-allowed": "これを削除する権限がありません。",
  "privacy.days":
    "ボットに関係するメッセージ、ボットの回答、そこから作られた記憶を、出典とともに保存しています。{days}日後に削除されます。非公開チャンネルの内容を、ほかの人が読める場所で使うことはありません。記憶している内容は `/memory show` で確認でき、`/forget me` で削除できます。`/privacy opt-out` を使うと、以後あなたの発言を記憶しません。",
  "privacy.for-ever":
    "ボットに関係するメッセージ、ボットの回答、そこから作られた記憶を、出典とともに保存しています。削除の操作があるまで保存されます。非公開チャンネルの内容を、ほかの人が読める場所で使うことはありません。記憶している内容は `/memory show` で確認でき、`/forget me` で削除できます。`/privacy opt-out` を使うと、以後あなたの発言を記憶しません。",
  "privacy.opted-out": "今後、あなたの発言を記憶しません。すでにある記憶は `/forget me` を使うまで残ります。",
  "privacy.opted-in": "あなたの発言を再び記憶できるようになりました。`/privacy opt-out` でいつでも取り消せます。",
  "privacy.remembered": "現在、あなたの発言を記憶する設定です。",
  "privacy.not-remembered": "現在、あなたの発言を記憶しない設定です。",
  "bot.silenced": "{channel} での発言を止めました。`/bot resume` で再開できます。",
  "bot.silenced-until": "{channel} での発言を {time} まで止めました。",
  "bot.resumed": "{channel} での発言を再開しました。",
  "bot.resumed-server": "サーバー全体の停止を解除しました。個別に止めたチャンネルはそのままです。",
  "bot.still-silent":
    "{channel} ではまだ発言を止めています。サーバー全体、または親チャンネルも停止中です。`/bot resume` を `server: True` で、または親チャンネルで使うと解除できます。",
  "bot.everywhere": "このサーバーのすべてのチャンネル",
  "silent.judge": "メッセージは届いていますが、回答しないと判断しました。理由：{reason}",
  "judged.own-message": "このボット自身の発言です。",
  "judged.bot": "別のボットの発言です。",
  "judged.empty": "本文がありません。",
  "judged.channel": "このチャンネルで発言できるエージェントがいません。",
  "judged.not-addressed": "共有チャンネルで、ボットは呼ばれていません。",
  "silent.moderator": "モデレーターがここでの発言を止めています。",
  "silent.quota": "モデルの利用上限に達しています。お預かりしたメッセージには後ほど回答します。",
  "silent.breaker": "モデルが応答していません。自動的に再試行します。",
  "silent.permission": "{channel} で「{permission}」の権限がありません。",
  "silent.never-heard": "このメッセージは届いていません。",
  "silent.answered": "このメッセージには回答しました：{link}",
  "silent.waiting": "メッセージは届いており、まもなく回答します。",
  "silent.gave-up": "回答できず、その旨をお伝えしました（参照番号：{reference}）。",
  "silent.none": "ここでの発言は見つかりません。",
  "permission.view": "チャンネルを見る",
  "permission.send": "メッセージを送信",
  "permission.history": "メッセージ履歴を読む",
  "permission.files": "ファイルを添付",
  "status.people": "エージェント：{agents}、モデル：{model}、待機中のメッセージ：{waiting}件",
  "status.model-ready": "利用できます",
  "status.model-waiting": "利用上限に達しています",
  "status.model-down": "応答していません",
  "error.unknown":
    "申し訳ありません。内部で問題が発生しました。後ほどもう一度お試しください（参照番号：{reference}）。",
  "error.too-late": "Discordの制限時間を過ぎてしまいました。もう一度コマンドをお使いください。",
  "error.too-long": "メッセージが長すぎます。{limit}文字以内でお願いします。",
  "error.attachment-too-large": "添付ファイルが大きすぎます。",
  "error.no-message": "メッセージのリンクまたはIDを入力してください。",
  "error.not-allowed": "この操作を行う権限がありません。",
  "error.server-only": "サーバーの中でのみ使えます。",
  "error.elsewhere": "このサーバーでは使えません。",
  "feedback.kept": "ご意見を記録しました。ありがとうございます。",
  "answer.as-file": "回答が長いため、全文をファイルに添付しました。",
  "answer.cut": "回答が長いため、ここまでとしました。「{permission}」の権限がないので、ファイルでは送れません。",
};

/** All texts by language; complete by its type. */
export const phrases: Readonly<Record<Locale, Readonly<Record<PhraseKey, string>>>> = { en: english, ja: japanese };

/** The language for a locale of Discord's, such as "en-US" or "ja"; English where there is none or it is not spoken. */
export function localeOf(discordLocale: string | null): Locale {
  return discordLocale?.toLowerCase().split("-")[0] === "ja" ? "ja" : "en";
}

type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;
type NamesOf<Key extends PhraseKey> = NamesIn<(typeof english)[Key]>;
/** What a text has to be filled with; nothing may be missing. */
type Values<Key extends PhraseKey> = [NamesOf<Key>] extends [never]
  ? []
  : [values: Readonly<Record<NamesOf<Key>, string | number>>];

/** A text in a language, its `{name}`s filled; what is filled in is taken as it is, numbers as the language writes them. */
export function phrase<Key extends PhraseKey>(locale: Locale, key: Key, ...[values]: Values<Key>): string {
  const given: Readonly<Record<string, string | number>> = values ?? {};
  return phrases[locale][key].replaceAll(/\{(\w+)\}/g, (name: string, word: string) => {
    const value = given[word] ?? name;
    return typeof value === "number" ? value.toLocaleString(locale) : value;
  });
}

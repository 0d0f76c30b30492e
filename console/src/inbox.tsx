// Every mail that SNS sends.
import * as api from "./api";
import { dateTime } from "./format";
import { usePolled } from "./poll";
import { link } from "./store";

const delivery = (mail: api.Mail) => (mail.delivered ? "sent over SMTP" : mail.error ? `${mail.error} (${mail.attempts} attempts)` : "kept here; no SMTP server is set");

/** The text, with the addresses of this server as links: that is how a subscription is confirmed. */
function Body({ text }: { text: string }) {
  const parts = text.split(/(https?:\/\/[^\s<>"]+)/);
  return (
    <pre tabIndex={0}>
      {parts.map((part, i) => part.startsWith(`${location.origin}/`)
        ? <a key={i} class="link" href={part} target="_blank" rel="noopener">{part}</a> : part)}
    </pre>
  );
}

function Mail({ mail }: { mail: api.Mail }) {
  return (
    <article class="mail">
      <h3>{mail.subject}</h3>
      <dl>
        <dt>From</dt><dd>{mail.from}</dd>
        <dt>To</dt><dd>{mail.to}</dd>
        <dt>When</dt><dd>{dateTime(mail.at_ms)} UTC</dd>
        <dt>Topic</dt><dd><code class="wrap">{mail.topic_arn}</code></dd>
        <dt>Delivery</dt><dd>{delivery(mail)}</dd>
      </dl>
      <Body text={mail.body} />
    </article>
  );
}

export function Inbox({ open }: { open?: string }) {
  const { value, error } = usePolled(() => api.inbox(100), 1500);
  const mails = value?.messages ?? [];
  const shown = mails.find((m) => String(m.id) === open) ?? mails[0];
  return (
    <section class="card inbox">
      <header><h2>Inbox</h2><small>every mail of SNS, all regions, whether or not an SMTP server is set</small></header>
      {error && <p class="problem" role="alert">{error}</p>}
      {value && mails.length === 0 && !error && (
        <p class="empty">
          No mail yet. <code>leat aws sns create-topic --name alerts</code> and a subscription with the protocol <code>email</code> or
          {" "}<code>email-json</code> fill this.
        </p>
      )}
      {shown && (
        <div class="split mails">
          <ul class="scroll">
            {mails.map((m) => (
              <li key={m.id} class={m.id === shown.id ? "picked" : ""}>
                <a data-row href={link(["inbox", String(m.id)])} aria-current={m.id === shown.id ? "true" : undefined}>
                  <strong>{m.subject}</strong>
                  <small>{m.region} · {m.to} · {dateTime(m.at_ms).slice(5)}</small>
                </a>
              </li>
            ))}
          </ul>
          <Mail mail={shown} />
        </div>
      )}
    </section>
  );
}

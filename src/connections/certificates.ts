/** Why a server's certificate was refused, and what to do; null when the error of this code is about something else. Names no host. */
export function explainCertificate(
  code: string,
  nameAuthority: string,
): { readonly problem: string; readonly remedy: string } | null {
  if (code === "CERT_HAS_EXPIRED") return { problem: "the server's certificate has expired", remedy: "Renew it" };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return {
      problem: "the server's certificate is for another host",
      remedy: "Name the host as the certificate does, or have one made for this name",
    };
  if (!/CERT|^UNABLE_TO_VERIFY|^ERR_TLS/.test(code)) return null;
  return { problem: `the server's certificate is not trusted (${code})`, remedy: nameAuthority };
}

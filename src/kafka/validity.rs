//! When a certificate ends. A broker that refuses ours mostly does not say that this is why.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::row::time;

/// DER's tags of what stands before the validity in a certificate, and of the times in it.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The last second of the first certificate in a PEM text, counted from the Unix epoch; `None` where
/// it cannot be found out.
pub(super) fn last_second(pem: &str) -> Option<i64> {
    let text = pem.split_once("-----BEGIN CERTIFICATE-----")?.1;
    let text = text.split_once("-----END CERTIFICATE-----")?.0;
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(text).ok()?;
    // Certificate and tbsCertificate (RFC 5280, 4.1).
    let (_, certificate, _) = element(&der)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, signature algorithm and issuer come before it.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (tag, validity, _) = element(rest)?;
    let not_after = element(validity)?.2;
    let (kind, moment, _) = element(not_after)?;
    (tag == SEQUENCE).then(|| second(kind, moment))?
}

/// Tag and content of the element that the bytes begin with, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..0x80 => (usize::from(short), rest),
        _ => {
            let (long, rest) = rest.split_at_checked(usize::from(short & 0x7F))?;
            let digits = long
                .iter()
                .try_fold(0usize, |n, byte| n.checked_mul(256)?.checked_add(usize::from(*byte)));
            (digits?, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn second(kind: u8, moment: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(moment).ok()?.strip_suffix('Z')?;
    let (year, rest) = match kind {
        UTC_TIME => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let days = time::days(year, number(0)?, number(2)?);
    Some(((days * 24 + number(4)?) * 60 + number(6)?) * 60 + number(8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Until 2036-11-23 15:44:01 UTC.
    const NEAR: &str = "-----BEGIN CERTIFICATE-----
MIIBajCCARCgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlwdWJsaXNo
ZXIwHhcNMjYxMTI2MTU0NDAxWhcNMzYxMTIzMTU0NDAxWjAUMRIwEAYDVQQDDAlw
dWJsaXNoZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQNmyV+I3xqE83s88t9
p6T93zCJ95qzCU26O5lMpVPpiThnQqqVdq219vW4aWW0OvD7X54J/+ogzvHlbCPs
+I0yo1MwUTAdBgNVHQ4EFgQUDDie1P0t89M8DOXOCF6rjw46tkkwHwYDVR0jBBgw
FoAUDDie1P0t89M8DOXOCF6rjw46tkkwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjO
PQQDAgNIADBFAiAORB/o8d9QLC3g+ANCEnyRxZG10dopmfwsM1yE7gggXwIhAOsW
+xEfBcEKfYDOKecn4s5nkEaUvzWzKvVMz/4j/Bc6
-----END CERTIFICATE-----";
    /// Until 2081-08-29 15:44:20 UTC, which takes the longer form of times.
    const FAR: &str = "-----BEGIN CERTIFICATE-----
MIIBbDCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlwdWJsaXNo
ZXIwIBcNMjYxMTI2MTU0NDIwWhgPMjA4MTA4MjkxNTQ0MjBaMBQxEjAQBgNVBAMM
CXB1Ymxpc2hlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABF1r8zhZh6NIh68k
enPoFvTswPjtpOnwe4FUIfsDBQEAeoKGgQrVBylojx9uvgIQn0vAfyXperS/wB0h
OuoVCGejUzBRMB0GA1UdDgQWBBR+pr2ALlm5lTfZNxdUvBm0hj6AvTAfBgNVHSME
GDAWgBR+pr2ALlm5lTfZNxdUvBm0hj6AvTAPBgNVHRMBAf8EBTADAQH/MAoGCCqG
SM49BAMCA0gAMEUCIBtehRSq5iMIrJ4lE97Rc6K1zeHSG978zqUH/IaVBm6uAiEA
j0DbXJ4mHV2PfRiXYaBtj9Zwq2EnP2xEOJKuREKnCGw=
-----END CERTIFICATE-----";

    #[test]
    fn the_end_of_a_certificate_is_found() {
        assert_eq!(last_second(NEAR), Some(2_111_067_841));
        assert_eq!(last_second(&format!("comment\n{FAR}\n{NEAR}")), Some(3_523_707_860));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for cut in 0..NEAR.len() {
            let text = format!("{}\n-----END CERTIFICATE-----", &NEAR[..cut]);
            assert!(last_second(&text).is_none_or(|end| end == 2_111_067_841));
        }
        assert_eq!(last_second(&NEAR.replace("CERTIFICATE", "EC PRIVATE KEY")), None);
    }
}

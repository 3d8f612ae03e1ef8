//! The broker list.

use super::error::Error;

/// Reads `host:port` and URLs, separated by commas or white space, into librdkafka's form and the
/// security protocol that the URLs name, if any.
///
/// # Errors
/// [`Error::NoBrokers`], or [`Error::BadBroker`] with the address without user name and password.
pub(super) fn parse(list: &str) -> Result<(String, Option<&'static str>), Error> {
    let mut brokers: Vec<String> = Vec::new();
    let mut protocol = None;
    for address in list.split([',', ' ', '\t', '\r', '\n']).filter(|a| !a.is_empty()) {
        let (found, host_port) = split(address).map_err(|reason| bad(address, reason))?;
        if protocol.is_some_and(|before| found.is_some_and(|now| now != before)) {
            return Err(bad(address, "the brokers before it have another protocol"));
        }
        protocol = protocol.or(found);
        brokers.push(host_port.to_owned());
    }
    if brokers.is_empty() { Err(Error::NoBrokers) } else { Ok((brokers.join(","), protocol)) }
}

fn bad(address: &str, reason: &str) -> Error {
    // What stands before an @ is a user name and a password.
    let address = match address.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => address.to_owned(),
    };
    Error::BadBroker { address, reason: reason.to_owned() }
}

/// The protocol and the `host:port` of one address.
fn split(address: &str) -> Result<(Option<&'static str>, &str), &'static str> {
    let (protocol, rest) = match address.split_once("://") {
        None => (None, address),
        Some((scheme, rest)) => (Some(protocol(scheme)?), rest),
    };
    let host_port = rest.strip_suffix('/').unwrap_or(rest);
    if host_port.contains('@') {
        return Err("it holds a user name or password");
    }
    let (host, port) = host_port.rsplit_once(':').ok_or("the port is missing")?;
    let port_is_good =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if !port_is_good {
        return Err("the port is not a number from 1 to 65535");
    }
    let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_is_good = match v6 {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    if !host_is_good {
        return Err("the host is not a name or an IP address (IPv6 in brackets)");
    }
    Ok((protocol, host_port))
}

fn protocol(scheme: &str) -> Result<&'static str, &'static str> {
    match scheme.to_ascii_lowercase().as_str() {
        "kafka" | "plaintext" => Ok("plaintext"),
        "kafka+ssl" | "ssl" => Ok("ssl"),
        "sasl_plaintext" => Ok("sasl_plaintext"),
        "sasl_ssl" => Ok("sasl_ssl"),
        _ => {
            Err("the scheme is none of kafka, kafka+ssl, plaintext, ssl, sasl_plaintext, sasl_ssl")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_urls_become_host_and_port() {
        let good = |list, brokers: &str, protocol| {
            assert_eq!(parse(list), Ok((brokers.to_owned(), protocol)));
        };
        good("a:9092", "a:9092", None);
        good(
            " kafka-1.example.com:9092, 10.0.0.2:9093\n",
            "kafka-1.example.com:9092,10.0.0.2:9093",
            None,
        );
        good("kafka+ssl://a:9096,kafka+ssl://b:9096/", "a:9096,b:9096", Some("ssl"));
        good("kafka://a:1", "a:1", Some("plaintext"));
        good("[::1]:9092", "[::1]:9092", None);
    }

    #[test]
    fn broken_addresses_are_named_without_secrets() {
        assert_eq!(parse(" , "), Err(Error::NoBrokers));
        for (list, named) in [
            ("a:9092,b", "\"b\""),
            ("a:0", "\"a:0\""),
            ("a:99999", "\"a:99999\""),
            ("a:+1", "\"a:+1\""),
            (":9092", "\":9092\""),
            ("http://a:9092", "\"http://a:9092\""),
            ("a b:9092", "\"a\""),
            ("::1:9092", "\"::1:9092\""),
            ("kafka://a:1,kafka+ssl://b:1", "\"kafka+ssl://b:1\""),
            ("kafka+ssl://user:hunter2@a:9096", "\"…@a:9096\""),
        ] {
            let error = parse(list).expect_err(list).to_string();
            assert!(error.contains(named) && !error.contains("hunter2"), "{error}");
        }
    }
}

use axum::body::Body;

use super::*;

const HERE: &str = "127.0.0.1:9080";

fn endpoints(local: &str, client: &str) -> Endpoints {
    Endpoints { local: local.parse().unwrap(), client: client.parse().unwrap() }
}

fn request(headers: &[(&str, &str)]) -> Request {
    let mut request = Request::new(Body::empty());
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    request
}

/// Returns the status code of the response to a request; 200 if it is allowed.
fn status_of(access: &AccessRules, endpoints: Endpoints, headers: &[(&str, &str)]) -> u16 {
    access.refusal(&request(headers), endpoints).map_or(200, |refusal| refusal.into_response().status().as_u16())
}

#[test]
fn only_host_names_of_this_machine_are_accepted() {
    let access = AccessRules::new(&["Stage.example".to_owned(), "[2001:db8::1]".to_owned()], None, "");
    let name = host_name().unwrap();
    for (local, host, expected) in [
        (HERE, "127.0.0.1:9080", 200),
        (HERE, "localhost:9080", 200),
        (HERE, "LocalHost", 200),
        (HERE, "localhost.:9080", 200),
        (HERE, "[::1]:9080", 200),
        (HERE, name.as_str(), 200),
        (HERE, &format!("{name}.local:9080"), 200),
        (HERE, "stage.example", 200),
        (HERE, "[2001:db8::1]:80", 200),
        ("192.168.1.5:9080", "192.168.1.5:9080", 200),
        ("[::ffff:192.168.1.5]:9080", "192.168.1.5:9080", 200),
        // A foreign name that resolves to this machine.
        (HERE, "rebound.example:9080", 403),
        (HERE, "localhost.rebound.example", 403),
        (HERE, "127.0.0.1.rebound.example", 403),
        (HERE, "192.168.1.5", 403),
        ("192.168.1.5:9080", "192.168.1.6", 403),
        ("192.168.1.5:9080", "127.0.0.1", 403),
        (HERE, "", 400),
        (HERE, "a b", 400),
    ] {
        assert_eq!(
            status_of(&access, endpoints(local, "127.0.0.1:5000"), &[("host", host)]),
            expected,
            "{host} at {local}"
        );
    }
    let here = endpoints(HERE, "127.0.0.1:5000");
    assert_eq!(status_of(&access, here, &[]), 200, "a client that is not a browser should be able to omit the header");
    assert_eq!(status_of(&access, here, &[("host", "localhost"), ("host", "rebound.example")]), 400);
    let mut absolute = request(&[("host", "localhost")]);
    *absolute.uri_mut() = "http://rebound.example/status".parse().unwrap();
    assert!(matches!(access.refusal(&absolute, here), Some(Refusal::Host(_))));
}

#[test]
fn pages_from_other_origins_are_refused() {
    let access = AccessRules::new(&[], None, "");
    let here = endpoints(HERE, "127.0.0.1:5000");
    for (origin, expected) in [
        ("http://localhost:9080", 200),
        ("http://127.0.0.1:8000", 200),
        ("https://localhost", 200),
        ("file://", 200),
        ("https://elsewhere.example", 403),
        // A foreign name that resolves to this machine.
        ("http://rebound.example:9080", 403),
        ("http://localhost.elsewhere.example", 403),
        ("http://localhost@elsewhere.example", 403),
        ("null", 403),
        ("localhost", 403),
        ("ftp://localhost", 403),
        ("", 403),
    ] {
        for host in ["localhost:9080", "127.0.0.1:9080"] {
            assert_eq!(status_of(&access, here, &[("host", host), ("origin", origin)]), expected, "{origin} at {host}");
        }
    }
    let site = |site, mode, dest| {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
        status_of(&access, here, &headers)
    };
    assert_eq!(site("cross-site", "no-cors", "audio"), 403, "a foreign page should not be able to embed the stream");
    assert_eq!(site("cross-site", "navigate", "iframe"), 403, "a foreign page should not be able to frame the page");
    assert_eq!(site("cross-site", "navigate", "document"), 200, "a foreign page should be able to link to the page");
    assert_eq!(site("same-origin", "cors", "empty"), 200);
    assert_eq!(site("none", "navigate", "document"), 200);
}

#[test]
fn other_machines_need_the_password() {
    let access = AccessRules::new(&[], Some("correct horse"), "");
    let key = access.password.as_ref().unwrap().1.clone();
    let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
    let (elsewhere, here) = (endpoints("192.168.1.5:9080", "192.168.1.9:5000"), endpoints(HERE, "127.0.0.1:5000"));
    for (headers, expected) in [
        (vec![], 401),
        (vec![("authorization", basic("anyone:correct horse"))], 200),
        (vec![("authorization", basic(":correct horse").replace("Basic", "basic"))], 200),
        (vec![("authorization", basic("anyone:correct hors"))], 401),
        (vec![("authorization", basic("correct horse"))], 401),
        (vec![("authorization", "Basic ♭".replace('♭', "%%"))], 401),
        (vec![("authorization", "Bearer x".to_owned())], 401),
        (vec![("cookie", format!("a=b; {COOKIE}={key}"))], 200),
        (vec![("cookie", format!("{COOKIE}={}", &key[1..]))], 401),
        (vec![("cookie", format!("{COOKIE}="))], 401),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(status_of(&access, elsewhere, &headers), expected, "{headers:?}");
    }
    assert_eq!(status_of(&access, here, &[]), 200);
    assert_eq!(
        status_of(&access, here, &[("x-forwarded-for", "192.168.1.9")]),
        401,
        "a request that a proxy forwarded should need the password"
    );
}

#[test]
fn cookie_keys_differ() {
    let keys: std::collections::BTreeSet<_> = (0..100).map(|_| random_key()).collect();
    assert!(keys.len() == 100 && keys.iter().all(|key| key.len() == 32));
}

#[test]
fn large_bodies_are_refused_before_they_are_received() {
    let access = AccessRules::new(&[], None, "");
    let here = endpoints(HERE, "127.0.0.1:5000");
    assert_eq!(status_of(&access, here, &[("content-length", "65536")]), 200);
    assert_eq!(status_of(&access, here, &[("content-length", "65537")]), 413);
}

#[test]
fn the_policy_allows_only_the_inline_code_of_the_page() {
    let policy = policy("<style>a{}</style><script>\nplay()\n</script><script src=\"x.js\"></script>");
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(text)));
    assert!(policy.contains(&format!("script-src 'self' {};", hash("\nplay()\n"))), "{policy}");
    assert!(policy.contains(&format!("style-src 'self' {};", hash("a{}"))), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

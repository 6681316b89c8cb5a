use axum::body::Body;

use super::password::COOKIE;
use super::*;

const HERE: &str = "127.0.0.1:9080";

fn endpoints(local: &str, client: &str) -> Endpoints {
    Endpoints { local: local.parse().unwrap(), client: client.parse().unwrap() }
}

/// Creates a request, with `Host: localhost` unless the headers name another host.
fn request(headers: &[(&str, &str)]) -> Request {
    let mut request = Request::new(Body::empty());
    if !headers.iter().any(|(name, _)| *name == "host") {
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    }
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
        ("[fe80::1%3]:9080", "[fe80::1]:9080", 200),
        ("[fe80::1%3]:9080", "[fe80::1%eth0]:9080", 200),
        ("[fe80::1%3]:9080", "[fe80::2%eth0]:9080", 403),
        (HERE, "localhost%eth0", 400),
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
    for (version, expected) in [(Version::HTTP_10, None), (Version::HTTP_11, Some(400))] {
        let mut nameless = Request::new(Body::empty());
        *nameless.version_mut() = version;
        let refusal = access.refusal(&nameless, here).map(|refusal| refusal.into_response().status().as_u16());
        assert_eq!(refusal, expected, "only HTTP/1.0 should allow the header to be omitted");
    }
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
    let twice = [("origin", "http://localhost"), ("origin", "https://elsewhere.example")];
    assert_eq!(status_of(&access, here, &twice), 400);
    let site_at = |path: &str, site, mode, dest| {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
        let mut request = request(&headers);
        *request.uri_mut() = path.parse().unwrap();
        access.refusal(&request, here).map_or(200, |refusal| refusal.into_response().status().as_u16())
    };
    let site = |site, mode, dest| site_at("/page", site, mode, dest);
    assert_eq!(site("cross-site", "no-cors", "audio"), 403, "a foreign page should not be able to embed the stream");
    assert_eq!(site("cross-site", "navigate", "iframe"), 403, "a foreign page should not be able to frame the page");
    assert_eq!(site("cross-site", "navigate", "document"), 200, "a foreign page should be able to link to the page");
    for (path, expected) in [("/", 200), ("/page/", 200), ("/log", 403), ("/status", 403), ("/listen.wav", 403)] {
        assert_eq!(site_at(path, "cross-site", "navigate", "document"), expected, "{path}");
        assert_eq!(site_at(path, "none", "navigate", "document"), 200, "{path}");
    }
    assert_eq!(site("same-origin", "cors", "empty"), 200);
    assert_eq!(site("none", "navigate", "document"), 200);
}

#[test]
fn other_machines_need_the_password() {
    let access = || AccessRules::new(&[], Some("correct horse"), "");
    let key_of = |access: &AccessRules| access.password.as_ref().unwrap().key.clone();
    let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
    let (elsewhere, here) = (endpoints("192.168.1.5:9080", "192.168.1.9:5000"), endpoints(HERE, "127.0.0.1:5000"));
    for (name, value, expected) in [
        ("accept", "*/*".to_owned(), 401),
        ("authorization", basic("anyone:correct horse"), 200),
        ("authorization", basic(":correct horse").replace("Basic", "basic"), 200),
        ("authorization", basic("anyone:correct hors"), 401),
        ("authorization", basic("correct horse"), 401),
        ("authorization", "Basic %%".to_owned(), 401),
        ("authorization", "Bearer x".to_owned(), 401),
    ] {
        let status = status_of(&access(), elsewhere, &[("host", "192.168.1.5"), (name, &value)]);
        assert_eq!(status, expected, "{name}: {value}");
    }
    let access = access();
    let key = key_of(&access);
    for (cookie, expected) in
        [(format!("a=b; {COOKIE}={key}"), 200), (format!("{COOKIE}={}", &key[1..]), 401), (format!("{COOKIE}="), 401)]
    {
        assert_eq!(
            status_of(&access, elsewhere, &[("host", "192.168.1.5"), ("cookie", &cookie)]),
            expected,
            "{cookie}"
        );
    }
    assert_eq!(status_of(&access, here, &[]), 200);
}

#[test]
fn clients_of_a_proxy_on_this_machine_need_the_password() {
    let access = AccessRules::new(&["stage.example".to_owned()], Some("correct horse"), "");
    let here = endpoints(HERE, "127.0.0.1:5000");
    for name in [
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Server",
        "X-Real-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
    ] {
        assert_eq!(status_of(&access, here, &[(name, "192.168.1.9")]), 401, "{name}");
    }
    // This machine's own clients need no other name for it than these.
    for (host, expected) in [("localhost:9080", 200), ("127.0.0.1", 200), ("[::1]:9080", 200), ("stage.example", 401)] {
        assert_eq!(status_of(&access, here, &[("host", host)]), expected, "{host}");
    }
    let strict = access.with_local_password(true);
    assert_eq!(status_of(&strict, here, &[]), 401);
    let authorization = format!("Basic {}", STANDARD.encode("melos:correct horse"));
    assert_eq!(status_of(&strict, here, &[("authorization", &authorization)]), 200);
}

#[test]
fn a_client_that_guesses_keeps_out_neither_others_nor_those_with_the_cookie() {
    let access = AccessRules::new(&[], Some("correct horse"), "");
    let [wrong, right] =
        ["correct hors", "correct horse"].map(|text| format!("Basic {}", STANDARD.encode(format!(":{text}"))));
    let cookie = format!("{COOKIE}={}", access.password.as_ref().unwrap().key);
    let from = |client: &str, header: (&str, &str)| {
        let endpoints = endpoints("192.168.1.5:9080", &format!("{client}:5000"));
        access.refusal(&request(&[("host", "192.168.1.5"), header]), endpoints).map_or_else(
            || (200, String::new()),
            |refusal| {
                let response = refusal.into_response();
                let wait = response.headers().get(header::RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned());
                (response.status().as_u16(), wait.unwrap_or_default())
            },
        )
    };
    let statuses: Vec<_> = (0..6).map(|_| from("192.168.1.9", ("authorization", &wrong)).0).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    assert_eq!(from("192.168.1.9", ("authorization", &right)), (429, "2".to_owned()));
    assert_eq!(from("192.168.1.9", ("cookie", &cookie)).0, 200);
    assert_eq!(from("192.168.1.10", ("authorization", &right)).0, 200);
}

#[test]
fn the_clients_of_a_proxy_are_told_apart() {
    let client = |peer: &str, forwarded: &str| {
        proxy::client(request(&[("x-forwarded-for", forwarded)]).headers(), peer.parse().unwrap()).to_string()
    };
    assert_eq!(client("127.0.0.1", "203.0.113.7, 192.168.1.9"), "192.168.1.9");
    assert_eq!(client("::1", "2001:db8::1"), "2001:db8::1");
    assert_eq!(client("127.0.0.1", "unknown"), "127.0.0.1");
    assert_eq!(client("192.168.1.5", "192.168.1.9"), "192.168.1.5", "other machines should not choose their address");
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

//! Names in paths: they name things of the server, never files.

use crate::serve_site::{Server, operations, pages};

/// Written below the home, beside the workflows and above.
const CANARY: &str = "canary-of-a-file-8f1";

/// Ways to write a path that leads out of a folder.
fn ways_out() -> Vec<String> {
    let mut ways = Vec::new();
    for file in ["secret.txt", "home/secrets/root", "home/server/users.json", "etc/passwd"] {
        for up in ["../", "..%2f", "%2e%2e%2f", "%2e%2e/", "..%5c", "%252e%252e%252f", "....//"] {
            let written = file.replace('/', if up.contains('/') { "/" } else { "%2f" });
            ways.extend([1, 3, 9].map(|times| format!("{}{written}", up.repeat(times))));
        }
        ways.push(format!("%2f{}", file.replace('/', "%2f")));
        ways.push(format!("x%00{file}"));
    }
    ways.extend(
        ["..", ".", "%2e%2e", "%00", "~", "%2f", "%20", "*", "con", "C:%5c"].map(str::to_owned),
    );
    ways
}

#[test]
fn no_path_leads_to_a_file() {
    let server = Server::stocked();
    server.place.write("secret.txt", CANARY);
    server.place.write("flows/notes.txt", CANARY);
    let mut starts: Vec<String> = vec!["/".to_owned(), "/assets/".to_owned(), "/hooks/".to_owned()];
    for page in pages(&server) {
        let path = page.target.split('?').next().unwrap().trim_end_matches('/');
        starts.push(format!("{path}/"));
        // In the place of what a link names.
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        starts.push(format!("{parent}/"));
    }
    starts.sort();
    starts.dedup();
    let operations = operations(&server);
    for way in ways_out() {
        let pages = starts.iter().map(|start| format!("{start}{way}"));
        let reading =
            operations.iter().filter(|one| !one.changes() && !one.parameters().is_empty());
        let routes = reading.map(|operation| operation.target(&way));
        for target in pages.chain(routes) {
            let answer = server.get(&target);
            assert!(answer.status > 0 && answer.status < 500, "{target} {answer:?}");
            for content in [CANARY, "root:x:0:0", "\"users\":{", "age-encryption"] {
                assert!(!answer.text().contains(content), "{target} {answer:?}");
            }
        }
    }
}

#[test]
fn no_folder_is_listed() {
    let server = Server::stocked();
    server.place.write("flows/notes.txt", CANARY);
    for target in ["/assets", "/assets/", "/hooks", "/hooks/", "/flows/", "/static/", "/.git/"] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
    for page in pages(&server) {
        assert!(!page.answer.body.contains("notes.txt"), "{}", page.target);
    }
}

//! What the network would bring: the sites, most of which mean no good.
//!
//! The language of pages is described in the renderer, which is who reads them.

use alloc::format;
use alloc::vec::Vec;

/// A site.
pub struct Site {
    /// Its name, which is that of its renderer and its kthread too.
    pub name: &'static str,
    /// What it sends at the n-th visit, counted from 0.
    pub document: fn(u32) -> Vec<u8>,
}

/// Number of tabs.
pub const TABS: usize = SITES.len();

/// All of them, one in each tab.
pub const SITES: [Site; 6] = [
    Site { name: "news", document: news },
    Site { name: "chart", document: chart },
    Site { name: "crash", document: crash },
    Site { name: "hang", document: hang },
    Site { name: "escape", document: escape },
    Site { name: "bomb", document: bomb },
];

const ROOST: &[u8] = include_bytes!("../pictures/roost.png");
const CHART: &[u8] = include_bytes!("../pictures/chart.png");
/// 16 KB that are 4096 rows of 4096 pixels.
const BOMB: &[u8] = include_bytes!("../pictures/bomb.png");

/// Lines, a picture, and more lines.
fn page(before: &str, picture: &[u8], after: &str) -> Vec<u8> {
    let head = format!("{before}image {}\n", picture.len());
    [head.as_bytes(), picture, after.as_bytes()].concat()
}

fn news(_: u32) -> Vec<u8> {
    let before = "title Roost news\npaper f7f3e8\nink 302018\nheading A quiet morning\nrule\n";
    let after = "text This page has text and a PNG picture. A process in ring 3 decoded both.\ngap\n\
        text It can reach the document, these pixels and a channel to the browser. There is nothing else that it could \
        break.\n";
    page(before, ROOST, after)
}

fn chart(_: u32) -> Vec<u8> {
    let before = "title Figures\npaper ffffff\nink 205080\nheading Figures\nrule\n\
        text The neighbours crash, hang, break out and eat memory. This page does not notice.\ngap\n";
    let after = "ink 404040\ntext The mark at the bottom moves as long as the renderer lives.\n";
    page(before, CHART, after)
}

/// Its second colour is one that the renderer takes apart in the middle of a letter. At the next visit it is mended.
fn crash(visit: u32) -> Vec<u8> {
    let ink = if visit == 0 { "caf\u{e9}\u{e9}" } else { "206030" };
    let lines = format!(
        "title Coffee\npaper e8f7ea\nink {ink}\nheading Mended\nrule\ntext Somebody loaded this page again, and a new \
        process drew it.\n"
    );
    lines.into_bytes()
}

fn hang(_: u32) -> Vec<u8> {
    b"title For ever\npaper ffffff\ntext and ever\nrepeat\n".to_vec()
}

fn escape(_: u32) -> Vec<u8> {
    b"title Free prizes\npaper ffffff\nheading You have won\nexploit\ntext and the kernel is mine\n".to_vec()
}

fn bomb(_: u32) -> Vec<u8> {
    page("title A large picture\npaper ffffff\n", BOMB, "")
}

//! What can be checked without the key: the parts of the index against their digests.

use super::{CheckReport, Finding};
use crate::error::RegistryError;
use crate::piece::{FAN, Piece, Pieces};
use crate::root::Root;
use crate::store::Registry;

impl Registry {
    /// Compares what the root names, whose MAC nobody can check now, with what is there.
    pub(super) fn check_parts(&self, report: &mut CheckReport) {
        let Ok(root) = self.root_bytes().map(|bytes| Root::unproven(&bytes)) else { return };
        // That the root itself says nothing was found before.
        let Ok(root) = root else { return };
        if let Some(settings) = &root.settings {
            self.check_part(settings, 0, report);
        }
        for branch in root.branches.0.values() {
            let Some(bytes) = self.check_part(branch, FAN.into(), report) else { continue };
            let Some(leaves) = std::str::from_utf8(&bytes).ok().and_then(Pieces::parse) else {
                let file = self.files().shown(&branch.path());
                let error = RegistryError::Damaged { file, why: "its content" };
                report.findings.push(Finding::DamagedPart { error, share: FAN.into() });
                continue;
            };
            for leaf in leaves.0.values() {
                self.check_part(leaf, 1, report);
            }
        }
    }

    fn check_part(&self, part: &Piece, share: u32, report: &mut CheckReport) -> Option<Vec<u8>> {
        match part.read(self.files()) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                report.findings.push(Finding::DamagedPart { error, share });
                None
            }
        }
    }
}

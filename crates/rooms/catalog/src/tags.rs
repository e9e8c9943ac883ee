//! Tags of a function: they change without its code or configuration, but for the tags that mean something here.

use crate::functions::check_changeable;
use crate::writer::Writer;
use crate::{Catalog, CatalogError, Scope};
use lacewing_model::{Egress, FunctionName};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Catalog {
    /// Changes a function's tags. `edit` is given those that it has, and says which egress the new ones mean;
    /// where that is another than before, the function's configuration changes with them.
    ///
    /// # Errors
    /// What `edit` refuses with; [`CatalogError::NotFound`]; as an update where the egress changes.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn retag(
        &self,
        owner: &Scope,
        name: &FunctionName,
        edit: impl FnOnce(&mut BTreeMap<String, String>) -> Result<Egress, CatalogError> + Send + 'static,
    ) -> Result<(), CatalogError> {
        let (owner, name) = (owner.clone(), name.clone());
        self.ask(move |writer| writer.retag(&owner, &name, edit)).await
    }
}

impl Writer {
    fn retag(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        edit: impl FnOnce(&mut BTreeMap<String, String>) -> Result<Egress, CatalogError>,
    ) -> Result<(), CatalogError> {
        let entry = self.find(owner, name)?;
        let mut after = (*entry).clone();
        let egress = edit(Arc::make_mut(&mut after.tags))?;
        if after.tags == entry.tags {
            return Ok(());
        }
        let latest = &entry.latest;
        after = if egress == latest.shown.config.egress {
            after.with(latest.in_state(latest.lifecycle.clone()))
        } else {
            check_changeable(&entry, None)?;
            let mut config = latest.shown.config.clone();
            Arc::make_mut(&mut config).egress = egress;
            self.changed(&after, config, latest.package.clone())?
        };
        self.write(Some(&entry), Some(after))
    }
}

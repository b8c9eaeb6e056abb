#pragma once

#include <string>

namespace cf {

/// A new file in `folder` for writing that has no name yet, so that nothing of it is left where this
/// process is killed. -1 where the file system has no such files, as those of servers have none.
int OpenUnnamed(const std::string& folder, unsigned int mode);

/// Gives an unnamed file the name `path`. 0, or errno: EEXIST where something has the name.
int NameFile(int file, const std::string& path);

/// Removes what dead processes of this host left beside `path`, files or folders: what is called as
/// it is and then `before`, the number of a process that is not here, and `behind`, and has not been
/// written to for ten minutes, as processes of other hosts have the same numbers.
void RemoveLeftBeside(const std::string& path, const std::string& before,
                      const std::string& behind = "");

}  // namespace cf

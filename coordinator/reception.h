#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"
#include "coordinator/control.pb.h"
#include "coordinator/join_file.h"
#include "coordinator/roster.h"

namespace cf {

/// Where a job that runs receives processes that want to join it. The leader's process has it for as
/// long as it leads, from generation to generation: a socket of its own, which `cluster.join` in the run
/// folder tells of. Who comes proves that it knows the key of that file, looks at the job and its data
/// set, and waits until it is invited to a regroup. Who dies, or is not heard, while it waits, is
/// forgotten.
///
/// Owner:      the process that leads.
/// Threads:    any for all methods; one of its own lets visitors in, and each visitor has one that
///             listens to it.
/// Bounds:     kVisitorsMax at a time; others wait in the kernel.
/// Invariants: a visitor is invited once, and then not here any more.
class Reception {
 public:
  static constexpr std::size_t kVisitorsMax = 256;

  struct Options {
    GenerationNote note;       ///< Of the first generation that this process leads.
    JobKey key = {};           ///< Its.
    std::string address = {};  ///< To listen on: that of the ranks' doors.
    std::string host = {};     ///< This one, for people.
    std::string path = {};     ///< RunFolder::join_path.
    std::string program = {};  ///< JoinProgram's.
    std::uint32_t losses_max = 0;
  };

  /// Listens, and writes the file. Errors are those of either.
  static absl::StatusOr<std::unique_ptr<Reception>> Open(Options options);
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;
  /// Hangs up on who still waits, who then looks for another leader; the file goes, unless it is
  /// another's by now.
  ~Reception();

  /// Tells who still waits that the job is over.
  void Dismiss();

  /// What who comes from now on is told of the ranks: the host of each.
  void SetHosts(std::vector<std::string> hosts);

  /// Who waits, in the order of arrival, with a number that is its own here.
  struct Visitor {
    std::uint64_t number = 0;
    RosterMember member = {};
    bool spare = false;  ///< It comes only in the place of one who is lost.
  };
  std::vector<Visitor> Waiting() const;

  /// Tells a visitor that it is member `id` of the roster in `end`, which ends the generation.
  void Invite(std::uint64_t visitor, std::uint64_t generation, const GenerationEnd& end,
              MemberId id);
  /// Tells a visitor, in a line, why it will never be.
  void Refuse(std::uint64_t visitor, const std::string& why);

 private:
  struct Guest;

  Reception(Options options, Listener listener);
  void Serve();
  // Until somebody has dialed; false: this object ends.
  bool WaitForCaller();
  void LetIn();
  void Hear(Guest& guest, const std::string& text);
  void Leave(Guest& guest);
  void ForgetWhoHasLeft();
  std::shared_ptr<Guest> Take(std::uint64_t visitor);
  void Wake() const;

  const Options options_;
  const Listener listener_;
  const JobKey key_;  // Of visits.
  int wake_ = -1;     // An eventfd.
  mutable std::mutex mutex_;
  std::vector<std::string> hosts_;  // Guarded by mutex_, as is all that follows.
  std::list<std::shared_ptr<Guest>> guests_;
  std::uint64_t visits_ = 0;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace cf

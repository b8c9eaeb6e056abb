#include "coordinator/reception.h"

#include <cerrno>
#include <chrono>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/rpc/derived_key.h"
#include "common/rpc/mesh.h"
#include "coordinator/visit.h"

namespace cf {

struct Reception::Guest {
  std::uint64_t number = 0;
  std::optional<Joining::Request> request = {};  ///< Once it is ready.
  bool gone = false;
  std::unique_ptr<Mesh> mesh = {};
};

absl::StatusOr<std::unique_ptr<Reception>> Reception::Open(Options options) {
  absl::StatusOr<Listener> listener = Listener::Open(options.address);
  if (!listener.ok()) return listener.status();
  absl::Status written = WriteJoinFile(options.path, {.program = options.program,
                                                      .host = options.host,
                                                      .reception = listener->endpoint(),
                                                      .generation = options.note.generation(),
                                                      .key = options.key});
  if (!written.ok()) return written;
  return std::unique_ptr<Reception>(new Reception(std::move(options), *std::move(listener)));
}

Reception::Reception(Options options, Listener listener)
    : options_(std::move(options)),
      listener_(std::move(listener)),
      key_(KeyOfVisits(options_.key)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Serve(); }) {
  Check(wake_ >= 0, "the system has an eventfd for a reception");
}

Reception::~Reception() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  Wake();
  thread_.join();
  // With their threads, which would wake the one above.
  for (const std::shared_ptr<Guest>& guest : guests_) guest->mesh->Abandon(kVisitorRank);
  guests_.clear();
  ::close(wake_);
  const absl::StatusOr<JoinFile> file = ReadJoinFile(options_.path);
  if (file.ok() && file->key == options_.key) ::unlink(options_.path.c_str());
}

void Reception::Dismiss() {
  Joining over;
  over.set_over(true);
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Guest>& guest : guests_) SayLast(*guest->mesh, over);
}

void Reception::SetHosts(std::vector<std::string> hosts) {
  const std::lock_guard lock(mutex_);
  hosts_ = std::move(hosts);
}

// --- Letting visitors in -------------------------------------------------------------------------

void Reception::Wake() const {
  const std::uint64_t one = 1;
  // It cannot fail but where it is awake already.
  if (::write(wake_, &one, sizeof one) < 0) return;
}

bool Reception::WaitForCaller() {
  for (;;) {
    ForgetWhoHasLeft();
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      if (over_) return false;
      full = guests_.size() >= kVisitorsMax;
    }
    pollfd events[] = {{.fd = wake_, .events = POLLIN, .revents = 0},
                       {.fd = full ? -1 : listener_.descriptor(), .events = POLLIN, .revents = 0}};
    ::poll(events, 2, -1);
    std::uint64_t count = 0;
    while (::read(wake_, &count, sizeof count) > 0) {
    }
    if (events[1].revents != 0) return true;
  }
}

void Reception::Serve() {
  while (WaitForCaller()) LetIn();
}

void Reception::LetIn() {
  absl::StatusOr<Listener> listener = listener_.Share();
  if (!listener.ok()) return;
  const auto guest = std::make_shared<Guest>();
  Joining welcome;
  *welcome.mutable_welcome()->mutable_note() = options_.note;
  {
    const std::lock_guard lock(mutex_);
    guest->number = ++visits_;
    for (const std::string& host : hosts_) welcome.mutable_welcome()->add_hosts(host);
  }
  Mesh::Handlers handlers;
  Guest* const self = guest.get();
  handlers.on_message = [this, self](int, Message message) { Hear(*self, message.control); };
  handlers.on_lost = [this, self](int, const absl::Status&) { Leave(*self); };
  handlers.on_left = [this, self](int) { Leave(*self); };
  absl::StatusOr<std::unique_ptr<Mesh>> mesh =
      Mesh::Connect(*std::move(listener),
                    VisitOptions(kHostRank, listener_.endpoint(), key_, options_.note.generation()),
                    std::move(handlers));
  // A stranger, or a wrong key: whoever it was has been told.
  if (!mesh.ok()) return;
  guest->mesh = *std::move(mesh);
  Say(*guest->mesh, welcome);
  const std::lock_guard lock(mutex_);
  guests_.push_back(guest);
}

void Reception::Hear(Guest& guest, const std::string& text) {
  Joining said;
  const bool is_request = said.ParseFromString(text) && said.has_request();
  const std::lock_guard lock(mutex_);
  if (is_request && !guest.request.has_value()) guest.request = said.request();
}

void Reception::Leave(Guest& guest) {
  {
    const std::lock_guard lock(mutex_);
    guest.gone = true;
  }
  Wake();
}

void Reception::ForgetWhoHasLeft() {
  std::list<std::shared_ptr<Guest>> left;
  const std::lock_guard lock(mutex_);
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    const auto next = std::next(guest);
    if ((*guest)->gone) left.splice(left.end(), guests_, guest);
    guest = next;
  }
}

// --- What becomes of them ------------------------------------------------------------------------

std::vector<Reception::Visitor> Reception::Waiting() const {
  std::vector<Visitor> waiting;
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Guest>& guest : guests_) {
    if (guest->gone || !guest->request.has_value()) continue;
    const Joining::Request& request = *guest->request;
    waiting.push_back({.number = guest->number,
                       .member = {.host = request.host(),
                                  .endpoint = EndpointOf(request.endpoint()),
                                  .door = EndpointOf(request.door()),
                                  .threads = ThreadsOf(options_.note.job(), request.resources()),
                                  .memory = request.resources().memory(),
                                  .joined = true},
                       .spare = request.spare()});
  }
  return waiting;
}

std::shared_ptr<Reception::Guest> Reception::Take(std::uint64_t visitor) {
  const std::lock_guard lock(mutex_);
  for (auto guest = guests_.begin(); guest != guests_.end(); ++guest) {
    if ((*guest)->number != visitor) continue;
    std::shared_ptr<Guest> taken = std::move(*guest);
    guests_.erase(guest);
    return taken;
  }
  return nullptr;
}

void Reception::Invite(std::uint64_t visitor, std::uint64_t generation, const GenerationEnd& end,
                       MemberId id) {
  const std::shared_ptr<Guest> guest = Take(visitor);
  if (guest == nullptr) return;
  Joining said;
  Joining::Invitation& invitation = *said.mutable_invitation();
  invitation.set_generation(generation);
  *invitation.mutable_end() = end;
  invitation.set_id(static_cast<std::uint32_t>(id));
  invitation.set_losses_max(options_.losses_max);
  SayLast(*guest->mesh, said);
}

void Reception::Refuse(std::uint64_t visitor, const std::string& why) {
  const std::shared_ptr<Guest> guest = Take(visitor);
  if (guest == nullptr) return;
  Joining said;
  said.set_refusal(why);
  SayLast(*guest->mesh, said);
}

}  // namespace cf

#include "runtime/storage/posix_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace softmoe::storage {
namespace {

using Kind = StorageError::Kind;

struct Verdict {
  Kind kind;
  std::string_view cure;
};

Verdict judge_write(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return {Kind::cannot_write, "free some space there, or choose a folder on another disk"};
    case EACCES:
    case EPERM:
    case EROFS:
      return {Kind::cannot_write, "allow this user to write there, or choose another folder"};
    case ENOENT:
      return {Kind::cannot_write, "create the folder first, or correct the path"};
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
      return {Kind::cannot_write, "something else stands there: remove it, or choose another path"};
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
      return {Kind::cannot_write, "choose another path"};
    case EFBIG:
      return {Kind::cannot_write,
              "raise the limit on file size (ulimit -f), or write smaller files"};
    default:
      return {Kind::io, ""};
  }
}

Verdict judge_read(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return {Kind::missing, "correct the path, or create the file first"};
    case EACCES:
    case EPERM:
      return {Kind::io, "allow this user to read it"};
    default:
      return {Kind::io, ""};
  }
}

}  // namespace

void throw_posix_error(Access access, std::string_view operation, const Path& path, int error) {
  const Verdict verdict = access == Access::write ? judge_write(error) : judge_read(error);
  std::string message = fmt::format("cannot {} '{}': {}", operation, path.string(),
                                    std::generic_category().message(error));
  if (!verdict.cure.empty()) message += fmt::format(" ({})", verdict.cure);
  throw StorageError(verdict.kind, message);
}

}  // namespace softmoe::storage

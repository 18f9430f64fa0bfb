#include "training/corpus/text_documents.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "runtime/base/narrow.h"
#include "tokenizer/protocol.h"
#include "tokenizer/utf8.h"

namespace softmoe::training {
namespace {

constexpr std::string_view kGzip = ".gz";
constexpr std::array<std::string_view, 3> kTextEndings = {".txt", ".rst", ".md"};

std::string_view without_gzip(std::string_view name) {
  if (name.ends_with(kGzip)) name.remove_suffix(kGzip.size());
  return name;
}

bool is_text(std::string_view name) {
  const std::string_view plain = without_gzip(name);
  return std::any_of(kTextEndings.begin(), kTextEndings.end(),
                     [&](std::string_view ending) { return plain.ends_with(ending); });
}

[[noreturn]] void refuse(const storage::Path& path, const std::string& why) {
  throw StorageError(StorageError::Kind::bad_format, fmt::format("{} {}", path.string(), why));
}

void check_length(std::size_t bytes, const storage::Path& path) {
  if (bytes <= tokenizer::kMaxDocumentBytes) return;
  refuse(
      path,
      fmt::format("is longer than {} bytes, the most for one document; split it into several files",
                  tokenizer::kMaxDocumentBytes));
}

void collect(storage::FileSystem& files, const storage::Path& folder, const std::string& prefix,
             std::vector<TextDocument>& documents) {
  for (const std::string& name : files.list(folder)) {
    const storage::Path path = folder / name;
    if (files.is_directory(path)) {
      collect(files, path, prefix + name + "/", documents);
    } else if (is_text(name)) {
      documents.push_back({.name = prefix + std::string(without_gzip(name)), .path = path});
    }
  }
}

/// Ends the stream of zlib whatever happens.
class Inflater {
 public:
  Inflater() { expect(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK, "zlib can be started"); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }

  z_stream stream = {};
};

/// A gzip file is one or more members, one behind the other.
std::string unpack(std::span<const std::byte> packed, const storage::Path& path) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::string text;
  std::array<Bytef, 1 << 16> block;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = narrow<uInt>(packed.size());
  for (bool ended = false; !ended || stream.avail_in > 0;) {
    if (ended) expect(inflateReset(&stream) == Z_OK, "zlib can start over");
    stream.next_out = block.data();
    stream.avail_out = block.size();
    const int code = inflate(&stream, Z_NO_FLUSH);
    text.append(reinterpret_cast<const char*>(block.data()), block.size() - stream.avail_out);
    if (code == Z_BUF_ERROR) refuse(path, "ends too early for a gzip file; was it copied whole?");
    if (code != Z_OK && code != Z_STREAM_END) {
      refuse(path, fmt::format("is not a gzip file: {}",
                               stream.msg == nullptr ? "bad data" : stream.msg));
    }
    if (text.size() > tokenizer::kMaxDocumentBytes) break;
    ended = code == Z_STREAM_END;
  }
  return text;
}

}  // namespace

std::vector<TextDocument> find_text_documents(storage::FileSystem& files,
                                              const storage::Path& folder) {
  std::vector<TextDocument> documents;
  collect(files, folder, "", documents);
  std::sort(documents.begin(), documents.end(), [](const TextDocument& a, const TextDocument& b) {
    return std::tie(a.name, a.path) < std::tie(b.name, b.path);
  });
  return documents;
}

std::string read_text_document(storage::FileSystem& files, const storage::Path& path) {
  const auto mapping = files.map(path);
  const std::span<const std::byte> bytes = mapping->bytes();
  check_length(bytes.size(), path);
  const bool packed = path.extension() == kGzip && !bytes.empty();
  std::string text = packed
                         ? unpack(bytes, path)
                         : std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  check_length(text.size(), path);
  if (const std::size_t valid = tokenizer::valid_utf8_prefix(text); valid != text.size()) {
    refuse(path, fmt::format("is not UTF-8 at byte {}; convert it, for example with "
                             "`iconv -f latin1 -t utf-8`, or take it out of the folder",
                             valid));
  }
  return text;
}

}  // namespace softmoe::training

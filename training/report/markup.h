#pragma once

// HTML with SVG in it, written so that texts cannot become markup and elements close in order.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace softmoe::training {

/// A text as it stands between tags or in a quoted attribute. What is no UTF-8, and characters that
/// HTML has no place for, become U+FFFD.
[[nodiscard]] std::string escaped(std::string_view text);

class Markup {
 public:
  using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

  /// Closes its element at the end of its life.
  class Element {
   public:
    explicit Element(Markup& markup) : markup_(&markup) {}
    Element(const Element&) = delete;
    Element& operator=(const Element&) = delete;
    ~Element() { markup_->close(); }

   private:
    Markup* markup_;
  };

  /// Opens an element; what is written until the result dies is in it.
  [[nodiscard]] Element element(std::string_view tag, Attributes attributes = {});
  /// A whole element that holds a text.
  void leaf(std::string_view tag, Attributes attributes, std::string_view text);
  void leaf(std::string_view tag, std::string_view text) { leaf(tag, {}, text); }
  /// An element that holds nothing: of SVG, or one that HTML knows as such (meta).
  void empty(std::string_view tag, Attributes attributes);
  void text(std::string_view text) { html_ += escaped(text); }
  /// Our own markup, style or script; never a text of the run.
  void verbatim(std::string_view markup) { html_ += markup; }

  /// What was written. Every element must be closed.
  [[nodiscard]] const std::string& html() const;

 private:
  void open(std::string_view tag, Attributes attributes);
  void close();

  std::string html_;
  std::vector<std::string> open_;
};

}  // namespace softmoe::training

// A row of buttons, each a small picture with a caption. Told by strip.py: {items: [{digest, source, label, name}]}.
export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  strip.replaceChildren(
    ...data.items.map(({ digest, source, label, name }) => {
      const button = document.createElement("button");
      const picture = document.createElement("img");
      const caption = document.createElement("span");
      button.type = "button";
      button.title = name;
      button.setAttribute("aria-label", name);
      picture.src = source;
      picture.alt = "";
      caption.textContent = label;
      button.append(picture, caption);
      button.addEventListener("click", () => setTriggerValue("picked", digest));
      return button;
    })
  );
}
